"""The container's contract: any user, read-only root, fast start, one signal, exit codes."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from conftest import Start
from engine import Engine
from notebook import write_notebook

from container import HARDENED, TOKEN, until

MB = 1000**2
ROWS = "x\n1\n2\n3\n"


def test_the_runtime_image_is_small(podman: Engine, runtime_image: str) -> None:
    size = int(podman.podman("image", "inspect", "--format", "{{.Size}}", runtime_image).stdout)
    print(f"runtime image: {size / MB:.0f} MB")
    assert size < 850 * MB


def test_it_is_ready_in_three_seconds_and_fits_and_applies(start: Start, volume: str) -> None:
    container = start(volume=volume)
    seconds = container.ready()
    print(f"ready after {seconds:.2f} s")
    assert seconds < 3
    assert container.healthcheck() == 0
    fitted = container.fit("barebone_template", ROWS)
    assert fitted["status"] == "success", fitted
    assert container.apply("barebone_template", ROWS)["results"] == fitted["results"]


def test_the_token_opens_it_and_nothing_else_does(start: Start) -> None:
    container = start()
    container.ready()
    forms = [TOKEN, f"Bearer {TOKEN}", f"Splunk {TOKEN}", None, "", TOKEN[:-1], f"{TOKEN}x"]
    assert [container.status("/summary", form) for form in forms] == [200, 200, 200, 401, 401, 401, 401]


def test_secrets_come_from_files_and_tls_can_be_off(start: Start, mounted: Path) -> None:
    (mounted / "token").write_text(f"{TOKEN}\n")
    env = {"api_token": "", "api_token_file": "/secrets/token", "ENABLE_HTTPS": "false"}
    container = start(env=env, options=(*HARDENED, f"--volume={mounted}:/secrets:ro"))
    container.ready()
    assert container.url().startswith("http://")
    assert [container.status("/summary", token) for token in (TOKEN, "another")] == [200, 401]


def test_the_doctor_finds_nothing_that_stops_searches(start: Start, volume: str) -> None:
    container = start(volume=volume)
    container.ready()
    findings = json.loads(container.run("dltk", "doctor", "--json", check=False))["findings"]
    assert [each for each in findings if each["severity"] == "error"] == []
    good = {each["check"] for each in findings if each["severity"] == "ok"}
    assert {"settings", "token", "certificate", "port", "volume", "notebooks"} <= good


def test_it_has_no_rights_no_compilers_and_one_place_to_write(start: Start, volume: str) -> None:
    container = start(volume=volume)
    container.ready()
    assert container.run("id", "-u") == "1000620000"
    assert "CapEff:\t0000000000000000" in container.run("cat", "/proc/1/status")
    assert "Read-only file system" in container.run("sh", "-c", "touch /opt/x 2>&1; true")
    assert container.run("sh", "-c", "command -v gcc cc make git curl; true") == ""
    assert container.run("python3", "-c", "import getpass; print(getpass.getuser())") == "dltk"


def test_it_serves_without_a_network(start: Start, volume: str) -> None:
    container = start(volume=volume, options=(*HARDENED, "--network", "none"), publish=())
    until(lambda: 'event": "ready' in container.logs(), 60)
    container.run("python3", "/opt/dltk/container/healthcheck.py")
    assert container.run("python3", "-c", "import socket; print(len(socket.if_nameindex()))") == "1"


def test_a_worker_that_eats_the_containers_memory_leaves_the_api_up(start: Start, volume: str) -> None:
    container = start(volume=volume, memory="700m", env={"DLTK_WORKER_MEMORY": "64G", "DLTK_SPARES": "0"})
    container.ready()
    write_notebook(
        container, "hungry", fit="def fit(model, df, param):\n    model['x'] = bytearray(b'1') * 4 * 1024**3\n"
    )
    answer = container.fit("hungry", ROWS)
    assert answer["status"] == "error"
    assert "memory" in answer["message"] or "signal" in answer["message"].lower(), answer
    assert container.status("/readyz") == 200
    assert container.fit("barebone_template", ROWS)["status"] == "success"


def test_sigterm_lets_accepted_applies_finish_and_gives_fits_their_grace(start: Start, volume: str) -> None:
    """Two applies run and two wait when the signal arrives. The fit is endless."""
    container = start(volume=volume, env={"api_workers": "2"})
    container.ready()
    wait = "import os, time\ndef {}(model, df, param):\n    open('/srv/began-' + str(os.getpid()), 'w').close()\n"
    wait += "    while not os.path.exists('/srv/go-on') and len(df) > 1:\n        time.sleep(0.05)\n    return df\n"
    write_notebook(container, "slow", apply=wait.format("apply"))
    write_notebook(container, "endless", fit=wait.format("fit").replace("/srv/go-on", "/srv/never"))
    assert container.fit("slow", "x\n1\n")["status"] == "success"
    container.run("sh", "-c", "rm /srv/began-*")
    answers: list[str] = []
    calls = [lambda: answers.append(container.apply("slow", ROWS)["status"]) for _ in range(4)]
    calls.append(lambda: answers.append(container.fit("endless", ROWS, model="never")["status"]))
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    until(lambda: len(container.run("sh", "-c", "ls /srv/began-*; true").split()) >= 3, 60)
    container.signal("TERM")
    until(lambda: container.status("/readyz") == 0, 30)
    container.run("touch", "/srv/go-on")
    assert container.exit_code() == 0
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["error", *["success"] * 4]


def test_a_dead_api_ends_the_container_with_its_code(start: Start) -> None:
    container = start()
    container.ready()
    container.run("sh", "-c", "kill -KILL $(pgrep -f 'dltk serve' || s6-svstat -o pid /tmp/services/api)")
    assert container.exit_code() == 137
    assert "the API was terminated by signal 9" in container.logs()


def test_orphans_of_notebooks_are_reaped(start: Start, volume: str) -> None:
    container = start(volume=volume)
    container.ready()
    container.run("sh", "-c", "(setsid sh -c 'exit 3' &) ; true")
    script = "import pathlib; print(sum(') Z ' in p.read_text() for p in pathlib.Path('/proc').glob('[0-9]*/stat')))"
    until(lambda: container.run("python3", "-c", script) == "0", 10)
