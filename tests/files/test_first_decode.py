"""Two threads decode a type for the first time."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

# The annotation of a field is evaluated by whoever decodes first; the other thread comes while that takes its time.
BOTH = """
import threading, time
import msgspec
from dltk_runtime.files import records

begun = threading.Event()

def slow():
    begun.set()
    time.sleep(0.5)
    return int

class Inner(msgspec.Struct):
    number: "slow()"

class Outer(msgspec.Struct):
    inner: Inner

def first():
    found.append({how})

found = []
thread = threading.Thread(target=first)
thread.start()
begun.wait()
first()
thread.join()
print(found[0] == found[1] == Outer(Inner(1)))
"""


@pytest.mark.parametrize(
    "how",
    [
        """records.decoded(b'{"inner": {"number": 1}}', Outer)""",
        """records.converted({"inner": {"number": 1}}, Outer)""",
    ],
    ids=["decoded", "converted"],
)
def test_a_type_that_another_thread_describes_is_waited_for(how: str) -> None:
    """msgspec 0.22 follows a null pointer then."""
    done = subprocess.run(
        [sys.executable, "-c", BOTH.replace("{how}", how)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
