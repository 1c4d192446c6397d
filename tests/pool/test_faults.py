"""Promises 2 and 6: whatever a notebook does, one request fails, its answer says where, and everything else goes on.

Each fault is one small program; the line that must be named in the answer carries the comment ``# here``.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from dltk_runtime.paths import Paths
from tests.conftest import HEALTHY, MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

ROWS = "a,b\n1,2\n3,4\n"
HEALTHY_ANSWER = "rows\n2\n2\n"
FIT_NICENESS = 10


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One server with narrow limits for all faults; at the end its log must hold no fault of its own."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "notebooks").mkdir()
    limits = {"DLTK_FIT_TIMEOUT": "3", "DLTK_APPLY_TIMEOUT": "8", "DLTK_WORKER_MEMORY": "400M"}
    limits |= {"DLTK_LOG_BYTES": "64K", "DLTK_APPLY_WORKERS": "3", "DLTK_FIT_WORKERS": "3"}
    secrets = {"splunk_access_token": "secret-1", "splunk_hec_token": "secret-2", "llm_config": "secret-3"}
    with Service(folder / "home", folder / "notebooks", **limits, **secrets) as service:
        yield service
        assert service.process is not None
        assert psutil.Process(service.process.pid).num_fds() < 60, "descriptors leak"
    assert all(line.startswith("{") for line in service.log.read_text().splitlines())
    assert not [event for event in service.events() if event["level"] == "error" or "traceback" in event]
    assert not left_over(service)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One server with the limits that servers have, for code that needs room or time."""
    folder = tmp_path_factory.mktemp("roomy")
    (folder / "notebooks").mkdir()
    with Service(folder / "home", folder / "notebooks", DLTK_LOG_BYTES="64K") as service:
        yield service


@pytest.fixture
def paths(request: pytest.FixtureRequest) -> Paths:
    """The folders of the server that the test uses."""
    service: Service = request.getfixturevalue("roomy" if "roomy" in request.fixturenames else "service")
    return Paths(service.home, service.notebooks)


@pytest.fixture(autouse=True)
def _everything_else_goes_on(request: pytest.FixtureRequest, make_notebook: MakeNotebook) -> Iterator[None]:
    """Before each fault another algorithm is fitted; after it, it still answers, and no process is left."""
    service: Service = request.getfixturevalue("roomy" if "roomy" in request.fixturenames else "service")
    if not (service.notebooks / "healthy.ipynb").exists():
        make_notebook("healthy")
        assert service.fit("healthy", ROWS, model="healthy")["status"] == "success"
    yield
    assert_healthy(service)
    until(lambda: not left_over(service))


def assert_healthy(service: Service) -> None:
    answer = service.apply("healthy", ROWS, model="healthy")
    assert (answer["status"], answer.get("results")) == ("success", HEALTHY_ANSWER), answer


def left_over(service: Service) -> list[str]:
    """Processes of notebook code that should be gone: fits, children of any worker, zombies."""
    workers = set(service.workers()) if service.process else set()
    server = service.process.pid if service.process else 0
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in workers or process.ppid() == server:
                gone = process.status() == psutil.STATUS_ZOMBIE or process.nice() == FIT_NICENESS
            else:
                gone = process.environ().get("DLTK_HOME") == str(service.home)
            if gone:
                found.append(str(process))
    return found


def culprit(notebook: str, cells: dict[str, str]) -> str:
    """The coordinates of the line with the comment ``# here``."""
    for number, (part, source) in enumerate((HEALTHY | cells).items(), 1):
        for line, text in enumerate(dedent(source).strip("\n").splitlines(), 1):
            if "# here" in text:
                return f"{notebook}.ipynb, cell {number} (mltkc_{part}), line {line}: `{text.strip()}`"
    raise AssertionError("no line says where")


def assert_told(service: Service, answer: dict[str, Any], opening: str, place: str) -> None:
    """The answer is an error that begins as dashboards know it and names the place; the job has the rest."""
    assert answer["status"] == "error", answer
    assert answer["message"].startswith(opening), answer
    assert place in answer["message"], answer
    assert len(answer["message"]) < 5_000
    job = service.jobs()[-1]
    assert job["state"] == "failed"
    assert job["error"]["coordinates"] == place
    assert len(job["error"]["traceback"]) < 200_000


# ---------------------------------------------------------------- code that raises

RAISES = {
    "import": ("unable to load algo code", {"import": "import pandas as pd\n1 / 0  # here"}),
    "init": ("unable to initialize module", {"init": "def init(df, param):\n    raise ValueError('boom')  # here"}),
    "fit": ("unable to fit model", {"fit": "def fit(model, df, param):\n    return df['no such field']  # here"}),
    "save": ("unable to save model", {"save": "def save(model, name):\n    open('/no/such/file', 'w')  # here"}),
    "apply": ("unable to apply model", {"apply": "def apply(model, df, param):\n    return [] + 1  # here"}),
    "sys.exit": ("unable to fit model", {"fit": "def fit(model, df, param):\n    import sys; sys.exit(0)  # here"}),
    "KeyboardInterrupt": (
        "unable to fit model",
        {"fit": "def fit(model, df, param):\n    raise KeyboardInterrupt  # here"},
    ),
    "recursion": (
        "unable to fit model",
        {"fit": "def fit(model, df, param):\n    return fit(model, df, param)  # here"},
    ),
    "text that raises": (
        "unable to fit model",
        {
            "fit": """
                class Odd(Exception):
                    def __str__(self): raise OSError
                def fit(model, df, param):
                    raise Odd  # here
            """
        },
    ),
    "10 MB of text": (
        "unable to fit model",
        {"fit": "def fit(model, df, param):\n    raise ValueError('x' * 10_000_000)  # here"},
    ),
}


@pytest.mark.parametrize(("opening", "cells"), RAISES.values(), ids=RAISES)
def test_what_is_raised_is_told_with_its_place(
    service: Service, make_notebook: MakeNotebook, opening: str, cells: dict[str, str]
) -> None:
    make_notebook("raising", **cells)
    answer = service.fit("raising", ROWS)
    assert_told(service, answer, f"/fit: ERROR: {opening}", culprit("raising", cells))
    assert "Traceback (most recent call last)" in service.jobs()[-1]["error"]["traceback"]


@pytest.mark.parametrize(
    "cells",
    [
        {"load": "def load(name):\n    raise ValueError('boom')  # here"},
        {"summary": "def summary(model=None):\n    raise ValueError('boom')  # here"},
    ],
    ids=["load", "summary"],
)
def test_a_fit_whose_load_or_summary_raises_succeeds_with_a_warning(
    service: Service, make_notebook: MakeNotebook, cells: dict[str, str]
) -> None:
    make_notebook("warning", **cells)
    answer = service.fit("warning", ROWS, model="w" + next(iter(cells)))
    assert (answer["status"], answer["results"]) == ("success", HEALTHY_ANSWER)
    assert "WARNING" in answer["message"]
    assert culprit("warning", cells) in answer["message"]


def test_what_fit_warns_of_stands_in_its_message(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("told", fit="def fit(model, df, param):\n    model['rows'] = 3\n    return {'warnings': ['few', 3]}")
    answer = service.fit("told", ROWS, model="told")  # of its own: another algorithm into a model is warned of too
    assert answer["status"] == "success"
    assert answer["message"].endswith(" is now current. WARNING: few. WARNING: 3.")


RETURNS = {
    "None": ("apply returned None", "def apply(model, df, param):  # here\n    pass"),
    "a scalar": ("apply returned int", "def apply(model, df, param):  # here\n    return 7"),
    "a generator that raises": (
        "ZeroDivisionError",
        "def apply(model, df, param):\n    return (1 / (1 - i) for i in range(3))  # here",
    ),
}


@pytest.mark.parametrize(("words", "apply"), RETURNS.values(), ids=RETURNS)
def test_what_is_no_result_is_told_with_its_place(
    service: Service, make_notebook: MakeNotebook, words: str, apply: str
) -> None:
    make_notebook("returning", apply=apply)
    answer = service.fit("returning", ROWS)
    assert_told(service, answer, "/fit: ERROR: unable to apply model", culprit("returning", {"apply": apply}))
    assert words in answer["message"]


# ---------------------------------------------------------------- code that ends its process

DEATHS = {
    "os._exit": ("exit code 3", "import os\ndef fit(model, df, param):\n    os._exit(3)  # here"),
    "exit of C": (
        "exit code 3",
        "import ctypes\ndef fit(model, df, param):  # here\n    ctypes.CDLL(None)._exit(3)",
    ),
    "segfault": ("SIGSEGV", "import ctypes\ndef fit(model, df, param):\n    ctypes.string_at(0)  # here"),
    "segfault in a thread": (
        "SIGSEGV",
        """
            import ctypes, threading
            def crash():
                ctypes.string_at(0)  # here
            def fit(model, df, param):
                thread = threading.Thread(target=crash)
                thread.start()
                thread.join()
        """,
    ),
    "segfault without an end to recursion": (
        "SIGSEGV",
        """
            import sys
            class Deep:
                def __getattr__(self, name): return getattr(self, name + "x")  # here
            def fit(model, df, param):
                sys.setrecursionlimit(10**9)
                Deep().x
        """,
    ),
    "abort": ("SIGABRT", "import os\ndef fit(model, df, param):\n    os.abort()  # here"),
    "SIGKILL": ("SIGKILL", "import os\ndef fit(model, df, param):  # here\n    os.kill(0, 9)"),
    "SIGTERM": ("SIGTERM", "import os\ndef fit(model, df, param):  # here\n    os.kill(os.getpid(), 15)"),
    "closed channel": (
        "closed its channel",
        "import os, time\ndef fit(model, df, param):  # here\n    os.closerange(0, 1000); time.sleep(60)",
    ),
    "memory": (
        "DLTK_WORKER_MEMORY (400 MiB)",
        "rows = []\ndef fit(model, df, param):\n    while True: rows.append(b'x' * 5_000_000)  # here",
    ),
    "memory of children": (
        "DLTK_WORKER_MEMORY (400 MiB)",
        """
            import multiprocessing, time
            def grow():
                kept = [b"x" * 10_000_000 for _ in range(20)]
                time.sleep(60)
            def fit(model, df, param):
                children = [multiprocessing.Process(target=grow) for _ in range(2)]
                for child in children: child.start()
                for child in children: child.join()  # here
        """,
    ),
    "endless loop": ("DLTK_FIT_TIMEOUT", "def fit(model, df, param):\n    while True: pass  # here"),
    "endless printing": ("DLTK_FIT_TIMEOUT", "def fit(model, df, param):\n    while True: print('x' * 100)  # here"),
    "endless generator": (
        "DLTK_WORKER_MEMORY",
        "import itertools\ndef fit(model, df, param): list(bytes([i % 9]) * 9_999 for i in itertools.count())  # here",
    ),
    "GIL held": (
        "DLTK_FIT_TIMEOUT",
        "import ctypes\ndef fit(model, df, param):\n    ctypes.PyDLL(None).usleep(60_000_000)  # here",
    ),
    "regular expression": (
        "DLTK_FIT_TIMEOUT",
        "import re\ndef fit(model, df, param):\n    re.fullmatch('(a|a)*b', 'a' * 99)  # here",
    ),
    "nothing stops it": (
        "DLTK_FIT_TIMEOUT",
        """
            import signal
            def fit(model, df, param):  # here
                for number in range(1, 65):
                    try: signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError): pass
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
                while True:
                    try: raise SystemExit
                    except BaseException: pass
        """,
    ),
}


@pytest.mark.parametrize(("cause", "fit"), DEATHS.values(), ids=DEATHS)
def test_a_death_is_told_with_its_cause_and_place(
    service: Service, make_notebook: MakeNotebook, cause: str, fit: str
) -> None:
    make_notebook("dying", fit=fit)
    answer = service.fit("dying", ROWS)
    assert_told(service, answer, "/fit: ERROR: unable to fit model. The worker process", culprit("dying", {"fit": fit}))
    assert cause in answer["message"]


@pytest.mark.parametrize(
    "line", ["ctypes.PyDLL(None).usleep(600_000_000)", "re.fullmatch('(a|a)*b', 'a' * 99)"], ids=["GIL held", "regex"]
)
def test_others_are_served_while_code_holds_its_interpreter(
    roomy: Service, make_notebook: MakeNotebook, line: str, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    make_notebook(
        "holding", fit=f"import ctypes, re\ndef fit(model, df, param):\n    open({str(began)!r}, 'w')\n    {line}"
    )
    with in_background(lambda: roomy.fit("holding", ROWS)) as answers:
        until(began.exists)
        assert_healthy(roomy)
        assert roomy.fit("healthy", ROWS, model="healthy")["status"] == "success"
        assert roomy.status_of("/livez") == 200
        assert not answers, "they were served afterwards"
        roomy.cancel(roomy.jobs()[-2]["id"])
    assert "was cancelled" in answers[0]["message"]


@contextlib.contextmanager
def in_background(request: Callable[[], dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The answer of a request that runs beside the body; it is there when the body has ended."""
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(request()))
    thread.start()
    try:
        yield answers
    finally:
        thread.join(60)


APPLY_DEATHS = {
    "segfault": ("SIGSEGV", "import ctypes\ndef apply(model, df, param):\n    ctypes.string_at(0)  # here"),
    "endless loop": ("DLTK_APPLY_TIMEOUT", "def apply(model, df, param):\n    while True: pass  # here"),
    "memory": ("DLTK_WORKER_MEMORY", "def apply(model, df, param):\n    b'x' * 3_000_000_000; print()  # here"),
}


@pytest.mark.parametrize(("cause", "apply"), APPLY_DEATHS.values(), ids=APPLY_DEATHS)
def test_a_death_in_apply_is_told_and_the_next_apply_loads_anew(
    service: Service, make_notebook: MakeNotebook, cause: str, apply: str
) -> None:
    """The fit's own apply runs in the fit's process: the fault begins with the parameter `fault`."""
    whole = apply.replace("param):\n", "param):\n    if 'fault' not in param['options']['params']:\n"
                          "        return pd.DataFrame({'rows': [model['rows']] * len(df)})\n")  # fmt: skip
    make_notebook("dying_apply", apply=whole)
    assert service.fit("dying_apply", ROWS, model="d")["status"] == "success"
    answer = service.apply("dying_apply", ROWS, model="d", fault="1")
    assert answer["status"] == "error"
    assert answer["message"].startswith("/apply: ERROR: unable to apply model. The worker process")
    assert cause in answer["message"]
    assert culprit("dying_apply", {"apply": whole}) in answer["message"]
    assert service.apply("dying_apply", ROWS, model="d")["results"] == HEALTHY_ANSWER


FIT_DEATHS = {
    "segfault": ("SIGSEGV", "ctypes.string_at(0)"),
    "exit": ("exit code 3", "os._exit(3)"),
    "memory": ("DLTK_WORKER_MEMORY", "b'x' * 3_000_000_000; print()"),
}


@pytest.mark.parametrize(("cause", "fault"), FIT_DEATHS.values(), ids=FIT_DEATHS)
def test_a_fit_whose_own_apply_ends_the_process_keeps_its_model(
    service: Service, make_notebook: MakeNotebook, cause: str, fault: str
) -> None:
    code = f"import ctypes, os\ndef apply(model, df, param):\n    {fault}  # here"
    make_notebook("costly_fit", apply=code)
    answer = service.fit("costly_fit", ROWS)
    assert answer["status"] == "error"
    assert cause in answer["message"]
    assert culprit("costly_fit", {"apply": code}) in answer["message"]
    assert "fitted and saved nevertheless" in answer["message"]
    assert service.jobs()[0]["version"] == 1
    make_notebook("costly_fit")
    assert service.apply("costly_fit", ROWS)["results"] == HEALTHY_ANSWER


# ---------------------------------------------------------------- code that is odd, and works

ODD = {
    "SystemExit in a thread": """
        import threading
        def fit(model, df, param):
            def leave(): raise SystemExit(7)
            thread = threading.Thread(target=leave)
            thread.start(); thread.join()
            model["rows"] = len(df)
    """,
    "threads that outlive it": """
        import threading, time
        def fit(model, df, param):
            for daemon in (True, False):
                threading.Thread(target=time.sleep, args=(60,), daemon=daemon).start()
            model["rows"] = len(df)
    """,
    "output closed": """
        import os, sys
        def fit(model, df, param):
            os.close(1); os.close(2); sys.stdout.close()
            model["rows"] = len(df)
    """,
    "another working folder": """
        import os, shutil
        def fit(model, df, param):
            os.chdir("/")
            model["rows"] = len(df)
    """,
    "no working folder": """
        import os, shutil
        def fit(model, df, param):
            shutil.rmtree(os.getcwd())
            model["rows"] = len(df)
    """,
    "its child returns": """
        import os
        def fit(model, df, param):
            model["rows"] = len(df)
            model["child"] = os.fork()
    """,
    "its child raises": """
        import os
        def fit(model, df, param):
            model["rows"] = len(df)
            if not os.fork(): raise ValueError
    """,
    "its child leaves": """
        import os, sys
        def fit(model, df, param):
            model["rows"] = len(df)
            child = os.fork()
            if not child: sys.exit(3)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    """,
    "its child lives on": """
        import os, time
        def fit(model, df, param):
            model["rows"] = len(df)
            if not os.fork(): time.sleep(60)
    """,
    "its child leaves the session": """
        import subprocess, sys
        def fit(model, df, param):
            model["rows"] = len(df)
            subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60"], start_new_session=True, stdout=subprocess.DEVNULL)
    """,
    "signals ignored": """
        from signal import SIG_IGN, SIGCHLD, SIGINT, SIGPIPE, SIGTERM, signal
        def fit(model, df, param):
            for number in (SIGTERM, SIGINT, SIGCHLD, SIGPIPE): signal(number, SIG_IGN)
            model["rows"] = len(df)
    """,
    "its frame changed": """
        def fit(model, df, param):
            model["rows"] = len(df)
            numbers = df.to_numpy()
            numbers.flags.writeable = True
            numbers[:] = 0
            df["b"] = "gone"
            df.drop(df.index, inplace=True)
    """,
}


@pytest.mark.parametrize("fit", ODD.values(), ids=ODD)
def test_odd_code_does_not_disturb_its_own_request(service: Service, make_notebook: MakeNotebook, fit: str) -> None:
    make_notebook("odd", fit=fit, apply="def apply(model, df, param):\n    return df.assign(rows=model['rows'])")
    answer = service.fit("odd", ROWS, model="odd")
    assert (answer["status"], answer.get("results")) == ("success", "a,b,rows\n1,2,2\n3,4,2\n"), answer
    assert "WARNING" not in answer["message"]


RESULTS = {
    "a generator": ("(i for i in range(2))", "0\n0\n1\n"),
    "an odd index": ("df.set_index('a').set_axis(['x', 'x'])", "b\n2\n4\n"),
    "an index of two levels": ("df.groupby(['a', 'b'])[['b']].sum()", "b\n2\n4\n"),
    "duplicate columns": ("df.set_axis(['c', 'c'], axis=1)", "c,c\n1,2\n3,4\n"),
    "its own frame, changed": ("df.drop(columns='a', inplace=True) or df", "b\n2\n4\n"),
}


@pytest.mark.parametrize(("result", "csv"), RESULTS.values(), ids=RESULTS)
def test_odd_results_become_a_frame(service: Service, make_notebook: MakeNotebook, result: str, csv: str) -> None:
    make_notebook("shapes", apply=f"def apply(model, df, param):\n    return {result}")
    for answer in (service.fit("shapes", ROWS), service.apply("shapes", ROWS), service.apply("shapes", ROWS)):
        assert (answer["status"], answer.get("results")) == ("success", csv)


def test_what_one_apply_does_to_its_surroundings_does_not_reach_the_next(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook(
        "surroundings",
        apply="""
            import os, shutil, sys
            def apply(model, df, param):
                print("still printed")
                seen = [os.path.basename(os.getcwd()), sys.stdout.closed]
                shutil.rmtree(os.getcwd())
                os.chdir("/")
                os.close(1)
                sys.stdout.close()
                return pd.DataFrame({"folder": [seen[0]], "closed": [seen[1]]})
        """,
    )
    service.fit("surroundings", ROWS)
    for _ in range(3):
        assert service.apply("surroundings", ROWS)["results"] == "folder,closed\nwork,False\n"


# ---------------------------------------------------------------- models that cannot be stored

NOTHING = "def save(model, name):\n    return model"


def test_a_model_that_nothing_can_store_is_told_with_what_to_do(service: Service, make_notebook: MakeNotebook) -> None:
    fit = "import threading\ndef fit(model, df, param):\n    model['lock'] = threading.Lock()"
    make_notebook("unpicklable", fit=fit, save=NOTHING)
    answer = service.fit("unpicklable", ROWS)
    place = culprit("unpicklable", {"save": NOTHING.replace("name):", "name):  # here")}).replace("  # here", "")
    assert_told(service, answer, "/fit: ERROR: unable to save model", place)
    assert "cannot be pickled" in answer["message"]
    assert "MODEL_DIRECTORY + name" in answer["message"]


def test_a_save_that_fails_halfway_leaves_the_old_version_serving(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook("halfway")
    assert service.fit("halfway", "a,b\n1,2\n", model="h")["status"] == "success"
    save = """
        def save(model, name):
            with open(MODEL_DIRECTORY + name + ".json", "w") as file:
                file.write('{"rows"')
                file.flush()
                1 / 0  # here
    """
    make_notebook("halfway", save=save)
    answer = service.fit("halfway", ROWS, model="h")
    assert_told(service, answer, "/fit: ERROR: unable to save model", culprit("halfway", {"save": save}))
    assert service.apply("halfway", ROWS, model="h")["results"] == "rows\n1\n1\n"


# ---------------------------------------------------------------- code that prints


def test_a_million_lines_are_bounded_and_others_are_served_meanwhile(
    roomy: Service, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    before = roomy.log.stat().st_size
    began = tmp_path / "began"
    fit = f"""
        def fit(model, df, param):
            model["rows"] = len(df)
            print("the first line")
            open({str(began)!r}, "w")
            print("\\n".join(f"line {{i}}" for i in range(1_000_000)))
            print("the last line")
    """
    make_notebook("talking", fit=fit)
    with in_background(lambda: roomy.fit("talking", ROWS)) as answers:
        until(began.exists)
        assert_healthy(roomy)
    assert answers[0]["status"] == "success"
    log = roomy.job_log()
    assert log.startswith("the first line\nline 0\n")
    assert log.endswith("line 999999\nthe last line\n")
    assert "left out" in log
    assert len(log) < 80 * 1024
    assert roomy.log.stat().st_size - before < 100 * 1024


def test_output_keeps_its_order_and_binary_junk_harms_nobody(service: Service, make_notebook: MakeNotebook) -> None:
    fit = """
        import ctypes, os, sys
        def fit(model, df, param):
            model["rows"] = len(df)
            print("one"); print("two", file=sys.stderr); os.system("echo three"); print("four", end="")
            sys.stdout.flush(); os.write(1, bytes(range(256))); print("\\nlone \\ud800")
            ctypes.CDLL(None).puts(b"from C")
    """
    make_notebook("printing", fit=fit)
    assert service.fit("printing", ROWS)["status"] == "success"
    log = (service.home / "jobs" / service.jobs()[-1]["id"] / "log").read_text(errors="replace")
    assert log.startswith("one\ntwo\nthree\nfour")
    assert "lone \\ud800\n" in log
    assert "from C\n" in log
    assert all(event["event"] for event in service.events())


def test_what_threads_print_between_requests_is_in_no_log(
    service: Service, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    """The first apply leaves a thread behind, which prints before the second one comes."""
    go_on, done = tmp_path / "go_on", tmp_path / "done"
    apply = f"""
        import os, threading, time
        def late():
            while not os.path.exists({str(go_on)!r}): time.sleep(0.01)
            print("printed too late")
            open({str(done)!r}, "w")
        def apply(model, df, param):
            print("printed in time")
            if "first" in param["options"]["params"]: threading.Thread(target=late).start()
            return df
    """
    make_notebook("late", apply=apply)
    service.fit("late", ROWS)
    service.apply("late", ROWS, first="1")
    go_on.touch()
    until(done.exists)
    service.apply("late", ROWS)
    printed = [event for event in service.events() if event["event"] == "printed" and event.get("algorithm") == "late"]
    assert [event["text"] for event in printed if "request" in event] == ["printed in time"] * 2


# ---------------------------------------------------------------- where code runs


def test_no_secret_is_in_a_workers_environment(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook(
        "looking",
        apply="""
            import os
            def apply(model, df, param):
                environ = open("/proc/self/environ").read().split("\\0")
                return pd.DataFrame({"names": sorted({*os.environ, *(text.split("=")[0] for text in environ)})})
        """,
    )
    names = service.fit("looking", ROWS)["results"].split()
    assert "DLTK_HOME" in names
    assert not [name for name in names if re.search("token|secret|llm_config|passw", name, re.IGNORECASE)]
    values = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in service.workers())
    assert values
    for secret in (service.token, "secret-1", "secret-2", "secret-3"):
        assert secret.encode() not in values


@pytest.mark.parametrize("end", ["return {}", "os.kill(os.getpid(), 9)", "1 / 0"])
def test_the_working_folder_is_empty_and_gone_afterwards(
    service: Service, make_notebook: MakeNotebook, end: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    fit = f"""
        import os, tempfile
        def fit(model, df, param):
            assert os.listdir() == []
            open("scratch.txt", "w").write("x"); tempfile.mkdtemp()
            open({str(note)!r}, "w").write(os.getcwd() + chr(10) + tempfile.gettempdir())
            {end}
    """
    make_notebook("scratch", fit=fit)
    service.fit("scratch", ROWS)
    work, scratch = note.read_text().splitlines()
    assert work != scratch
    until(lambda: not Path(work).exists() and not Path(scratch).exists())


# ---------------------------------------------------------------- workers that are killed from outside


def test_an_idle_worker_that_is_killed_costs_no_request(service: Service, make_notebook: MakeNotebook) -> None:
    for _ in range(3):
        for pid in service.workers():
            os.kill(pid, signal.SIGKILL)
        assert_healthy(service)


@pytest.mark.parametrize("function", ["fit", "apply"])
def test_a_worker_that_is_killed_at_work_is_told(
    service: Service, make_notebook: MakeNotebook, tmp_path: Path, function: str
) -> None:
    note = tmp_path / "note"
    slow = f"""
        import os, time
        def {function}(model, df, param):  # here
            if "slow" in param["options"]["params"]:
                os.symlink(str(os.getpid()), {str(note)!r})
                time.sleep(60)
            model["rows"] = len(df)
            return df
    """
    make_notebook("victim", **{function: slow})
    assert service.fit("victim", ROWS, model="v")["status"] == "success"
    request = getattr(service, function)
    with in_background(lambda: request("victim", ROWS, model="v", slow="1")) as answers:
        until(note.is_symlink)
        os.kill(int(note.readlink().name), signal.SIGKILL)
    assert answers[0]["status"] == "error"
    assert "was killed (SIGKILL)" in answers[0]["message"]
    assert culprit("victim", {function: slow}) in answers[0]["message"]
    assert service.apply("victim", ROWS, model="v")["status"] == "success"


def test_no_process_outlives_a_server_that_is_killed(roomy: Service, make_notebook: MakeNotebook) -> None:
    """Children, children of children, pools, and those who left the session: with the server they all go."""
    fit = """
        import multiprocessing, os, subprocess, sys, time, joblib
        def fit(model, df, param):
            subprocess.Popen(["sh", "-c", "sleep 61 & sleep 61"], start_new_session=True)
            if not os.fork():
                os.setsid()
                os.fork()
                time.sleep(61)
            multiprocessing.get_context("spawn").Process(target=time.sleep, args=(61,)).start()
            joblib.Parallel(n_jobs=2)(joblib.delayed(time.sleep)(61) for _ in range(2))
    """
    make_notebook("family", fit=fit)
    with in_background(lambda: hung_up(lambda: roomy.fit("family", ROWS))):
        until(lambda: len(left_over(roomy)) >= 10)
        folders = [folder for pid in roomy.workers() if (folder := psutil.Process(pid).cwd())]
        roomy.restart(signal.SIGKILL)
    until(lambda: not left_over(roomy))
    until(lambda: not any(Path(folder).exists() for folder in folders))


def hung_up(request: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of a request, or none when the server is gone."""
    with contextlib.suppress(OSError):
        return request()
    return {}


# ---------------------------------------------------------------- code that needs room, and works

ROOMY = {
    "multiprocessing.Pool": """
        import multiprocessing
        def square(x): return x * x
        def fit(model, df, param):
            model["rows"] = 0
            for method in ("fork", "spawn"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    model["rows"] += sum(pool.map(square, [1, 2, 3]))
    """,
    "joblib.Parallel": """
        import joblib
        def square(x): return x * x
        def fit(model, df, param):
            model["rows"] = sum(joblib.Parallel(n_jobs=2)(joblib.delayed(square)(x) for x in [1, 2, 3])) * 2
    """,
    "torch DataLoader": """
        import torch
        from torch.utils.data import DataLoader, Dataset
        class Squares(Dataset):
            def __len__(self): return 3
            def __getitem__(self, index): return torch.tensor((index + 1) ** 2)
        def fit(model, df, param):
            model["rows"] = int(sum(batch.sum() for batch in DataLoader(Squares(), num_workers=2))) * 2
    """,
}


@pytest.mark.parametrize("fit", ROOMY.values(), ids=ROOMY)
def test_code_may_use_processes_of_its_own(roomy: Service, make_notebook: MakeNotebook, fit: str) -> None:
    make_notebook("parallel", fit=fit)
    answer = roomy.fit("parallel", ROWS, model="parallel")
    assert (answer["status"], answer.get("results")) == ("success", "rows\n28\n28\n"), answer
    assert roomy.apply("parallel", ROWS, model="parallel")["results"] == "rows\n28\n28\n"


def test_a_save_that_stores_nothing_loses_nothing(roomy: Service, make_notebook: MakeNotebook) -> None:
    cells = {
        "init": "class Model:\n    rows = 0\ndef init(df, param):\n    return Model()",
        "fit": "def fit(model, df, param):\n    model.rows = len(df)",
        "apply": "def apply(model, df, param):\n    return [model.rows] * len(df)",
        "summary": None,
    }
    make_notebook("keeping", save=NOTHING, load="def load(name):\n    return {}", **cells)
    fitted = roomy.fit("keeping", ROWS, model="k")
    assert (fitted["status"], fitted["results"]) == ("success", "0\n2\n2\n")
    assert roomy.apply("keeping", ROWS, model="k")["results"] == fitted["results"]
    roomy.restart()
    assert roomy.apply("keeping", ROWS, model="k")["results"] == fitted["results"]
