"""GPUs: who sees which, who waits for one, and what an error says of their memory.

There is none here. A small program named nvidia-smi stands in for the driver's tool; servers and workers are real.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.paths import Paths
from dltk_runtime.pool import gpus, shortage
from dltk_runtime.pool.devices import Places
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.server.console.pictures import LINE_WIDTH
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import ErrorReport
from tests.conftest import MakeNotebook
from tests.console.browser import Browser
from tests.fit.test_async_fits import FIT, SAVE, WAIT, Gate, get, job_of, wait_for
from tests.support.service import Service, until

TOOL = """#!/bin/sh
# Stands in for the NVIDIA driver's tool: it answers what the runtime asks, in the format of the real one.
[ "$2" = --format=csv,noheader,nounits ] || exit 2
case "$1" in
--query-gpu=index,uuid,memory.total,memory.used,memory.free) cat "$0.cards" ;;
--query-compute-apps=pid,gpu_uuid,used_memory) cat "$0.apps" ;;
*) exit 2 ;;
esac
"""
A, B = "GPU-aaaa0000-1111-2222-3333-444455556666", "GPU-bbbb0000-1111-2222-3333-444455556666"
CARDS = f"0, {A}, 81559, 81547, 12\n1, {B}, 81559, 559, 81000\n"
ROWS = "x\n1\n2\n"
SEES = "def apply(model, df, param):\n    return pd.DataFrame({'sees': [os.environ['CUDA_VISIBLE_DEVICES']] * len(df)})"
SHOWS = "import os\n\ndef init(df, param):\n    print('sees', os.environ['CUDA_VISIBLE_DEVICES'])\n    return {}"
TORCH = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.65 GiB"
TENSORFLOW = "OOM when allocating tensor with shape[1024,1024,2] and type float on /device:GPU:0 by allocator GPU_0_bfc"


def short_of(error: str, function: str, text: str) -> str:
    """A function that fails as a library does whose GPU has too little memory."""
    return f"""
        class {error}(RuntimeError): pass

        def {function}(model, df, param):
            wait(param, "fit")
            raise {error}("{text}")
    """


@dataclass(frozen=True)
class Tool:
    """The stand-in, and what it answers."""

    folder: Path

    @property
    def path(self) -> str:
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    def say(self, program: str = TOOL, cards: str = CARDS, apps: str = "") -> None:
        self.folder.mkdir(exist_ok=True)
        file = self.folder / "nvidia-smi"
        file.write_text(program)
        file.chmod(0o755)
        Path(f"{file}.cards").write_text(cards)
        Path(f"{file}.apps").write_text(apps)


@pytest.fixture
def tool(processes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    tool = Tool(tmp_path / "driver")
    monkeypatch.setenv("PATH", tool.path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tool


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def service(tool: Tool, paths: Paths) -> Iterator[Service]:
    tool.say()
    with Service(paths.home, paths.notebooks, DLTK_SPARES="0") as service:  # workers do their imports first
        yield service


# ------------------------------------------------------------ what there is


def test_the_devices_are_those_of_the_setting_of_cuda_s_variable_or_of_the_tool(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.say()

    def found(**variables: str) -> tuple[str, ...]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return asyncio.run(gpus.find(Settings.from_env(variables).gpu_names))

    assert found() == (A, B)
    assert found(DLTK_GPUS=" 1, MIG-12ab ") == ("1", "MIG-12ab")
    assert found(DLTK_GPUS="None") == ()
    assert found(CUDA_VISIBLE_DEVICES="1,-1,0") == ("1",)
    assert found(CUDA_VISIBLE_DEVICES="") == ()


@pytest.mark.parametrize("program", ["#!/bin/sh\nexit 9\n", "#!/bin/sh\nexec sleep 60\n", "#!/bin/sh\necho 0, [N/A]\n"])
def test_a_tool_that_fails_hangs_or_talks_nonsense_is_as_good_as_none(
    program: str, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.say(program)
    monkeypatch.setattr(gpus, "TOOL_SECONDS", 0.2)
    assert asyncio.run(gpus.cards()) == []
    assert asyncio.run(gpus.find(None)) == ()


def test_without_the_tool_the_driver_s_own_list_counts(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not tool.folder.exists()
    monkeypatch.setattr(gpus, "DRIVER", tmp_path)
    assert asyncio.run(gpus.find(None)) == ()
    (tmp_path / "0000:3b:00.0").mkdir()
    (tmp_path / "0000:3b:00.0" / "information").write_text(f"Model: \t NVIDIA H100\nGPU UUID: \t {A}\nIRQ: 5\n")
    assert asyncio.run(gpus.find(None)) == (A,)


@pytest.mark.parametrize("text", ["all", "0;1", "-1", "0,", "GPU-"])
def test_a_list_of_devices_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingInvalid, match="DLTK_GPUS"):
        Settings.from_env({"DLTK_GPUS": text})


def test_workers_may_be_kept_from_every_gpu_and_else_let_tensorflow_grow(tool: Tool) -> None:
    environ = worker_environment(Settings(gpus="none"), 1)
    assert environ["CUDA_VISIBLE_DEVICES"] == ""
    environ = worker_environment(Settings(), 1)
    assert "CUDA_VISIBLE_DEVICES" not in environ
    assert (environ["TF_FORCE_GPU_ALLOW_GROWTH"], environ["CUDA_DEVICE_ORDER"]) == ("true", "PCI_BUS_ID")


# ------------------------------------------------------------ who sees which


def test_fits_have_a_device_each_and_further_ones_wait_in_order_with_their_place(
    service: Service, make_notebook: MakeNotebook, gate: Gate
) -> None:
    make_notebook("trains", wait=WAIT, init=SHOWS, fit=FIT, save=SAVE, xgb="import xgboost")
    make_notebook("counts", os="import os", apply=SEES)
    jobs = []
    for model in ("a", "b", "c", "d"):
        jobs.append(job_of(service.fit("trains", ROWS, model=model, mode="async", **gate.params("fit"))))
        if model in ("a", "b"):
            wait_for(service, jobs[-1], "running")
    assert [get(service, f"/v1/jobs/{job}")["place"] for job in jobs] == [0, 0, 1, 2]
    # Beside them, for it needs none for itself.
    answer = service.fit("counts", ROWS)
    assert answer["status"] == "success", answer
    assert answer["results"] in [f"sees\n{name}\n{name}\n" for name in (A, B)]
    gate.go_on.touch()
    ended = [wait_for(service, job, "succeeded") for job in jobs]
    started = [view["started"] for view in ended]
    assert max(started[:2]) < min(started[2:])
    logs = [service.send(f"/v1/jobs/{job}/log", None).decode() for job in jobs]
    assert [log.split()[1] for log in logs[:2]] == [A, B]
    assert {log.split()[1] for log in logs} <= {A, B}


def test_places_are_taken_in_the_order_of_asking() -> None:
    taken: list[tuple[int, str]] = []

    async def fit(number: int, places: Places, go_on: asyncio.Event) -> None:
        async with places.taken() as device:
            taken.append((number, device))
            await go_on.wait()

    async def body() -> None:
        places, go_on = Places([A, B]), asyncio.Event()
        fits = [asyncio.create_task(fit(number, places, go_on)) for number in range(5)]
        while not places.all_taken:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        fits[2].cancel()
        go_on.set()
        await asyncio.gather(*fits, return_exceptions=True)
        assert not places.all_taken

    asyncio.run(body())
    assert [number for number, _ in taken] == [0, 1, 3, 4]
    assert [device for _, device in taken[:2]] == [A, B]


def test_a_worker_sees_its_device_before_any_code_runs_although_its_libraries_are_imported(
    service: Service, make_notebook: MakeNotebook
) -> None:
    looks = """
        import sys
        READY = [name for name in ("torch", "tensorflow") if name in sys.modules]
        import ctypes, json, os
        import tensorflow, torch
        import pandas as pd
        from tensorflow.python.eager import context
        getenv = ctypes.CDLL(None).getenv  # as the driver's library reads it
        getenv.restype = ctypes.c_char_p
        SEEN = getenv(b"CUDA_VISIBLE_DEVICES").decode()
        BEGUN = torch.cuda.is_initialized() or context.context()._initialized
        MODEL_DIRECTORY = "/srv/app/model/data/"
    """
    tells = """
        def apply(model, df, param):
            return pd.DataFrame({"sees": [SEEN], "ready": [len(READY)], "begun": [BEGUN]})
    """
    make_notebook("looks", **{"import": looks}, apply=tells)
    wanted = [f"sees,ready,begun\n{name},2,False\n" for name in (A, B)]
    assert service.fit("looks", ROWS)["results"] in wanted
    assert service.apply("looks", ROWS)["results"] in wanted


# ------------------------------------------------------------ what is said of memory


def test_memory_of_each_device_is_in_the_metrics_and_in_the_status(service: Service) -> None:
    until(lambda: b'\ndltk_gpu_memory_bytes{gpu="1",kind="free"} 8.4934656e+10\n' in service.send("/metrics", None))
    assert "GPU 0: 81,547 of 81,559 MiB used; GPU 1: 559" in service.apply("dltk_status", ROWS)["results"]


def test_memory_of_each_device_is_a_bar_of_the_overview(service: Service) -> None:
    visitor = Browser(service)
    assert visitor.sign_in(service.token) == 303
    until(lambda: "<dt>GPU 1</dt>" in visitor.get("/ui"))
    drawn = re.findall(r"<dt>GPU (\d)</dt><dd>(.*?) MiB <svg.*?class=\"full\".*?width=\"([\d.]+)\"", visitor.get("/ui"))
    shares = {index: (text, float(width) / LINE_WIDTH) for index, text, width in drawn}
    assert shares == {
        "0": ("81,547 of 81,559", pytest.approx(1.0, abs=0.001)),
        "1": ("559 of 81,559", pytest.approx(559 / 81559, abs=0.001)),
    }


def test_an_error_for_want_of_memory_says_how_much_was_wanted_is_free_and_who_holds_it(
    service: Service, tool: Tool, make_notebook: MakeNotebook, gate: Gate
) -> None:
    make_notebook("short", wait=WAIT, fit=short_of("OutOfMemoryError", "fit", TORCH))
    make_notebook("serves", wait=WAIT, apply=short_of("ResourceExhaustedError", "apply", TENSORFLOW))
    answers: list[dict[str, Any]] = []
    fit = threading.Thread(target=lambda: answers.append(service.fit("short", ROWS, **gate.params("fit"))))
    fit.start()
    until(gate.began.exists)
    job = get(service, "/v1/jobs?state=running")["jobs"][0]["id"]
    apps = [f"{pid}, {uuid}, 80000\n" for pid in service.workers() for uuid in (A, B)]
    tool.say(apps="".join([*apps, f"{os.getpid()}, {A}, 1547\n", f"{os.getpid()}, {B}, [N/A]\n"]))
    gate.go_on.touch()
    fit.join(60)
    message = answers[0]["message"]
    assert "OutOfMemoryError: CUDA out of memory" in message
    assert "20.00 MiB were wanted, 12 of 81,559 MiB are free, and it is held by " in message
    assert f"job {job} (fit of 'short' into 'm') (80,000 MiB, process " in message
    assert f"which is not this server's (1,547 MiB, process {os.getpid()})" in message
    tool.say()
    message = service.fit("serves", ROWS)["message"]  # its own apply fails, and the one of a search later
    for text in (message, service.apply("serves", ROWS)["message"]):
        assert "8.00 MiB were wanted" in text
        assert "the driver names no holder" in text
    assert get(service, "/v1/jobs")["jobs"][0]["error"]["sentence"].count("MiB were wanted") == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (TORCH, "20.00 MiB were"),
        (f"ResourceExhaustedError: {TENSORFLOW}", "8.00 MiB were"),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1048576 bytes.", "1.00 MiB were"),
        ("Out of memory allocating 2,097,152 bytes (allocated so far: 5 bytes).", "2.00 MiB were"),
        ("CUBLAS_STATUS_ALLOC_FAILED", "more memory than there was (the error does not say how much) was"),
    ],
)
def test_how_much_was_wanted_is_read_from_the_errors_of_the_libraries(text: str, wanted: str) -> None:
    error = ErrorReport("fit", text)
    assert shortage.is_shortage(error)
    assert shortage.wanted(error) == wanted


@pytest.mark.parametrize(
    "text", ["ValueError: no", "ResourceExhaustedError: OOM on /device:CPU:0", "MemoryError: Unable to allocate 8 GiB"]
)
def test_other_errors_are_none_of_a_gpu_s(text: str) -> None:
    assert not shortage.is_shortage(ErrorReport("fit", text))
