"""Volumes survive containers, kills and releases, and keep edited files."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import certificates
from conftest import Start
from engine import Engine
from notebook import write_notebook

from container import HARDENED, Container, until

ROWS = "x\n1\n2\n3\n"
NOTHING_TO_APPLY = ("No version of", "No fit of", "has no version yet")  # not promoted, not committed, not yet
OTHER_USER = tuple("1000770000:0" if option == "1000620000:0" else option for option in HARDENED)


def versions(container: Container, model: str = "m") -> int:
    """List the complete versions of a model."""
    return int(container.run("sh", "-c", f"ls /srv/app/model/data/versions/*/{model}/*/version.json | wc -l"))


def promoted(container: Container, model: str) -> bool:
    """Tell whether a version of a model was ever promoted."""
    return container.run("sh", "-c", f"cat /srv/app/model/data/versions/*/{model}/promoted 2>/dev/null; true") != ""


def test_a_second_container_of_another_user_applies_what_the_first_one_fits(start: Start, volume: str) -> None:
    first, second = start(volume=volume), start(volume=volume, options=OTHER_USER)
    first.ready()
    second.ready()
    counted = 'def apply(model, df, param):\n    return df.assign(x=model["rows"])\n'
    write_notebook(first, "counter", apply=counted)
    for container, other, rows in ((first, second, 3), (second, first, 4)):
        data = "x\n" + "1\n" * rows
        fitted = container.fit("counter", data)
        assert fitted["status"] == "success", fitted
        assert other.apply("counter", data)["results"] == fitted["results"] == "x\n" + f"{rows}\n" * rows


def test_a_kill_during_20_fits_leaves_every_model_whole(start: Start, volume: str) -> None:
    container = start(volume=volume, env={"DLTK_FIT_WORKERS": "4"})
    container.ready()
    slowly = "import time\ndef save(model, name):\n    for part in range(20):\n        time.sleep(0.02)\n"
    slowly += (
        "        with open(MODEL_DIRECTORY + name + f'.{part}', 'w') as file:\n            json.dump(model, file)\n"
    )
    whole = (
        "def load(name):\n    for part in range(20):\n        with open(MODEL_DIRECTORY + name + f'.{part}') as file:\n"
    )
    whole += "            model = json.load(file)\n    return model\n"
    write_notebook(container, "parts", save=slowly, load=whole)
    assert container.fit("parts", ROWS, model="m0")["status"] == "success"
    answers: list[str] = []

    def fit(number: int) -> None:
        try:
            answers.append(container.fit("parts", ROWS, model=f"m{number % 5}")["status"])
        except OSError:
            answers.append("hung up")

    threads = [threading.Thread(target=fit, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: answers.count("success") >= 3, 60)
    container.kill()
    for thread in threads:
        thread.join()
    assert answers.count("hung up") > 0
    container.start()
    container.ready()
    there = container.run("sh", "-c", "ls /srv/app/model/data/versions/parts").split()
    applied = {model: container.apply("parts", ROWS, model=model) for model in there}
    for model, answer in applied.items():
        assert (answer["status"] == "success") == promoted(container, model), (model, answer)
        assert answer["status"] == "success" or any(text in answer["message"] for text in NOTHING_TO_APPLY), answer
    whole_ones = sum(versions(container, model) for model in there)
    print(f"{answers.count('hung up')} fits were killed; {whole_ones} versions are whole")


def test_a_volume_of_dsdl_is_adopted_and_nothing_in_it_changes(start: Start, volume: str, podman: Engine) -> None:
    """It has notebooks, generated modules, a flat model file and an edited shipped notebook."""
    layer = podman.podman("volume", "inspect", "--format", "{{.Mountpoint}}", volume).stdout.strip()
    root = Path(layer)
    module = (
        'MODEL_DIRECTORY = "/srv/app/model/data/"\ndef init(df, param):\n    return {}\n'
        "def fit(model, df, param):\n    return {}\ndef apply(model, df, param):\n    return df.assign(x=model['x'])\n"
        'def load(name):\n    import json\n    return json.load(open(MODEL_DIRECTORY + name + ".json"))\n'
    )
    old = {
        "app/model/old.py": module,
        "app/model/data/old_m.json": '{"x": 7}',
        "notebooks/barebone_template.ipynb": json.dumps(
            {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        ),
        "notebooks/data/m.csv": "x\n1\n",
    }
    for name, text in old.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["chmod", "-R", "g=u", layer], check=True)
    container = start(volume=volume)
    container.ready()
    answer = container.apply("old", "x\n1\n2\n")
    assert (answer["status"], answer["results"]) == ("success", "x\n7\n7\n"), answer
    assert {name: (root / name).read_text() for name in old} == old
    assert (root / "notebooks" / "barebone_template.new.ipynb").exists()


def test_extra_libraries_are_installed_once_and_kept(start: Start, volume: str) -> None:
    container = start(volume=volume)
    container.ready()
    container.run("sh", "-c", "echo 'colorama>=0.4' > /srv/requirements.txt")
    uses = "import colorama\ndef apply(model, df, param):\n    return df.assign(x=len(colorama.__version__) > 0)\n"
    write_notebook(container, "colours", apply=uses)
    assert "No module named 'colorama'" in container.fit("colours", ROWS)["message"]
    assert container.stop() == 0
    container.start()
    container.ready(300)
    assert "requirements.txt: installed: colorama-" in container.logs()
    assert container.fit("colours", ROWS)["status"] == "success"
    container.stop()
    container.start()
    container.ready()
    assert "requirements.txt: already installed by an earlier start" in container.logs()


def test_libraries_that_cannot_be_installed_do_not_stop_the_container(start: Start, volume: str) -> None:
    container = start(volume=volume)
    container.ready()
    container.run("sh", "-c", "echo 'numpy==1.26.4' > /srv/requirements.txt")
    container.stop()
    container.start()
    container.ready(300)
    assert "requirements.txt: not installed: " in container.logs()
    assert container.fit("barebone_template", ROWS)["status"] == "success"


def test_a_mounted_certificate_is_served_and_renewed(start: Start, mounted: Path) -> None:
    certificates.make(mounted, "first")
    env = {"API_SSL_CERT": "/certificate/tls.crt", "API_SSL_KEY": "/certificate/tls.key"}
    container = start(env=env, options=(*HARDENED, f"--volume={mounted}:/certificate:ro"))
    container.ready()
    assert certificates.served(container.url()) == certificates.in_file(mounted / "tls.crt")
    certificates.make(mounted, "second")
    until(lambda: certificates.served(container.url()) == certificates.in_file(mounted / "tls.crt"), 30)
    assert "certificate renewed" in container.logs()
