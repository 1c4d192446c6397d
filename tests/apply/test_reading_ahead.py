"""Large applies are read while they arrive, and answer what they answer without that, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.conftest import MakeNotebook
from tests.support.service import Service, until
from tests.support.wire import encoded

ROWS = 60_000
SUM = "def apply(model, df, param): return pd.DataFrame({'sum': [int(df['a'].sum())], 'rows': [len(df)]})"
TWICE = "def apply(model, df, param): return pd.DataFrame({'twice': [2 * int(df['a'].sum())]})"
LAST = "def apply(model, df, param): return pd.DataFrame({'last': [str(df['a'].iloc[-1])]})"


def rows(last: str = "7") -> str:
    """A CSV of nearly 2 MB; `last` is the last cell of its first column."""
    return "a,b\n" + "".join(f"{number},{number / 7:.15f}\n" for number in range(ROWS - 1)) + f"{last},0.5\n"


TOTAL = sum(range(ROWS - 1)) + 7
ANSWER = f"sum,rows\n{TOTAL},{ROWS}\n"


NOTEBOOKS = {"adding": {"apply": SUM}, "doubling": {"apply": TWICE}, "last": {"apply": LAST}}
FITS = [("adding", "a,b\n1,2\n"), ("doubling", "a,b\n1,2\n")]
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, fits=FITS, own=True)


@pytest.fixture(autouse=True)
def _such_rows_are_read_ahead_from_now_on(service: Service) -> None:
    assert service.apply("adding", rows())["results"] == ANSWER


class Upload:
    """A request that is sent in two parts."""

    def __init__(self, service: Service, body: bytes) -> None:
        address = urlsplit(service.url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=60)
        head = f"POST /apply HTTP/1.1\r\nHost: test\r\nAuthorization: {service.token}\r\nConnection: close\r\n"
        self._rest = body[-100_000:]
        self._socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-100_000])

    def finish(self) -> str:
        """Send the rest; the answer."""
        with self._socket:
            self._socket.sendall(self._rest)
            return b"".join(iter(lambda: self._socket.recv(65536), b"")).decode()

    def hang_up(self) -> None:
        self._socket.close()


def reader(service: Service) -> int:
    """The worker that reads ahead, once there is one."""
    return int(until(lambda: next((pid for pid in service.workers() if reads(pid)), 0)))


def reads(pid: int) -> bool:
    """Whether a process holds an eventfd of a reading ahead; the event loop of the front process has others."""
    folder = Path(f"/proc/{pid}/fd")
    try:
        return any("eventfd" in str(each.readlink()) for each in folder.iterdir())
    except OSError:
        return False


def read_ahead(service: Service, number: int) -> object:
    """Whether the rows of an apply were read ahead, as the log says once it is there; None when nobody tried."""
    applies = until(lambda: [each for each in service.events() if each["event"] == "/apply"][number - 1 :])
    return applies[0].get("read_ahead")


def in_json(csv: str) -> str:
    return csv.replace("\n", "\\n")


def test_rows_like_the_last_ones_are_read_while_they_arrive(service: Service) -> None:
    upload = Upload(service, encoded(rows(), "adding"))
    pid = reader(service)
    assert in_json(ANSWER) in upload.finish()
    assert read_ahead(service, 2) is True
    until(lambda: not reads(pid))


def test_another_apply_does_not_wait_for_an_upload(service: Service) -> None:
    upload = Upload(service, encoded(rows(), "adding"))
    pid = reader(service)
    for _ in range(3):
        assert service.apply("adding", "a,b\n1,2\n")["results"] == "sum,rows\n1,1\n"
    assert service.apply("adding", rows("8"))["results"] == f"sum,rows\n{TOTAL + 1},{ROWS}\n"
    assert reads(pid)
    assert in_json(ANSWER) in upload.finish()
    assert read_ahead(service, 6) is True


def test_a_client_that_hangs_up_leaves_nothing_behind(service: Service) -> None:
    upload = Upload(service, encoded(rows(), "adding"))
    pid = reader(service)
    upload.hang_up()
    until(lambda: not reads(pid))
    assert service.apply("adding", rows())["results"] == ANSWER
    assert psutil.pid_exists(pid)


def test_the_same_columns_for_another_model_get_its_answer(service: Service) -> None:
    upload = Upload(service, encoded(rows(), "doubling"))
    pid = reader(service)
    assert in_json(f"twice\n{2 * TOTAL}\n") in upload.finish()
    until(lambda: not reads(pid))


def test_a_worker_that_ends_while_it_reads_costs_no_answer(service: Service) -> None:
    upload = Upload(service, encoded(rows(), "adding"))
    os.kill(reader(service), signal.SIGKILL)
    assert in_json(ANSWER) in upload.finish()


def test_a_fit_while_rows_arrive_gives_the_new_versions_answer(service: Service, make_notebook: MakeNotebook) -> None:
    upload = Upload(service, encoded(rows(), "adding", version="true"))
    reader(service)
    make_notebook("adding", apply=TWICE)
    assert service.fit("adding", "a,b\n1,2\n")["status"] == "success"
    assert in_json(f"twice\n{2 * TOTAL}\n") in upload.finish()


def test_rows_that_turn_out_to_be_no_numbers_are_read_whole_and_so_are_the_next(service: Service) -> None:
    assert service.fit("last", "a,b\n1,2\n")["status"] == "success"
    assert service.apply("last", rows())["results"] == "last\n7\n"
    for number, how in ((3, False), (4, None)):
        assert in_json("last\nseven\n") in Upload(service, encoded(rows("seven"), "last")).finish()
        assert read_ahead(service, number) is how
