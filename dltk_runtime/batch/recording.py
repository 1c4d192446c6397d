"""The job record of a batch run: kept fresh while it runs, and told how it ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from dltk_runtime.errors import DltkError
from dltk_runtime.fit.recorded import recorded, recorded_fault
from dltk_runtime.jobs.interface import TOUCH_SECONDS, JobRecords
from dltk_runtime.jobs.store import Job
from dltk_runtime.scrub import Scrubber


@contextlib.contextmanager
def recording(job: Job, jobs: JobRecords, scrubber: Scrubber, texts: str) -> Iterator[None]:
    """Keep the job's record fresh, and record how the run ends, whatever ends it.

    Args:
        job: the job of the run.
        jobs: the records, which this process touches.
        scrubber: removes secrets from what is recorded.
        texts: which texts of exceptions records keep (`DLTK_ERROR_TEXTS`).
    """
    over = threading.Event()
    touching = threading.Thread(target=_touch, args=(jobs, over), daemon=True)
    touching.start()
    try:
        yield
    except DltkError as error:
        if jobs.to_be_cancelled(job.id):
            job.cancel(scrubber.text(error.worded(texts)))
        kept = recorded(error, texts)
        job.fail(**kept | {"sentence": scrubber.text(kept["sentence"])})  # no effect on a cancelled job
        raise
    except KeyboardInterrupt:
        job.cancel("The run was interrupted from the keyboard.")
        raise
    except BaseException as error:
        traceback = recorded_fault(error, texts)["traceback"]
        job.fail("Fault in the runtime", traceback=scrubber.text(traceback))
        raise
    finally:
        over.set()
        touching.join()


def _touch(jobs: JobRecords, over: threading.Event) -> None:
    while not over.wait(TOUCH_SECONDS):
        jobs.touch()
