"""Execute a notebook by papermill: with a deadline, hidden secrets, and runs that resume."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError

from dltk_runtime.batch.document import INJECTED_TAG, Document, mark_failed
from dltk_runtime.batch.errors import BatchFailed
from dltk_runtime.batch.place import death_of, error_in, place_of, shown, traceback_of
from dltk_runtime.batch.printed import Kept, WholeLines, coalesced
from dltk_runtime.lab import kernelspec
from dltk_runtime.scrub import Scrubber

ENGINE = "dltk"  # its name in papermill
MAX_START_SECONDS = 120.0  # until a kernel answers
# Failures of other systems, after which another attempt may succeed.
TRANSIENT = ("ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "BrokenPipeError", "TimeoutError")


@dataclass(frozen=True, slots=True)
class Execution:
    """What to execute, and with what."""

    document: Document
    name: str  # "umap.ipynb", for messages
    folder: Path  # of the task and the report
    output: Path
    parameters: Mapping[str, Any]  # that papermill injects; secrets by their names
    secrets: Mapping[str, str]
    scrubber: Scrubber
    kernels: Path  # folder of kernelspecs
    inherited: Mapping[str, Any]  # by the kernel's process, as `kernelspec.inherited` says
    cwd: Path
    ends: float  # deadline by `time.monotonic`
    deadline: float  # the same in seconds from the start of the run
    snapshot: Path  # of the variables, written when a cell fails
    facts: dict[str, Any]  # that a resumed run must have in common with this one
    may_exit: bool  # whether a cell may end the run well, by sys.exit(0)
    phase: Callable[[str], None]  # called with the cell that begins
    progress: Callable[[int, int], None]  # called with the cells that are done, and all
    log: Callable[[str], None]  # called with printed text, in whole lines
    cancelled: Callable[[], bool]  # returns whether the run was cancelled


def execute(execution: Execution) -> None:
    """Execute the notebook; `output` is written after each cell, and names the cell that failed.

    Raises:
        BatchFailed: a cell raised, the kernel died or did not start, the deadline passed, or the
            run was cancelled.
    """
    papermill_engines.register(ENGINE, _Engine)
    given = execution.folder / "notebook.ipynb"
    nbformat.write(execution.document.notebook, given)
    execution.output.parent.mkdir(parents=True, exist_ok=True)
    client: list[NotebookClient] = []
    # nbclient leaves its event loop open. papermill raises for a failed cell, which the client has
    # recorded.
    logging.getLogger("papermill").setLevel(logging.ERROR)  # what it warns of was checked before, by other rules
    with contextlib.closing(ensure_event_loop()), contextlib.suppress(PapermillExecutionError):
        papermill.execute_notebook(
            given,
            execution.output,
            parameters=dict(execution.parameters),
            engine_name=ENGINE,
            kernel_name=kernelspec.KERNEL_NAME,
            progress_bar=False,
            autosave_cell_every=0,  # cells are saved when they end, after their secrets are removed
            execution=execution,
            made=client.append,
        )
    if failure := client[0].failure:
        raise failure


class _Engine(NBClientEngine):  # type: ignore[misc]
    """The engine that papermill calls with the client's arguments."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        execution: Execution,
        made: Callable[[NotebookClient], None],
        **_: Any,
    ) -> None:
        specs = KernelSpecManager(kernel_dirs=[str(execution.kernels)])
        client = NotebookClient(
            nb_man,
            execution,
            km=AsyncKernelManager(kernel_name=kernel_name, kernel_spec_manager=specs),
            startup_timeout=math.ceil(max(1.0, min(MAX_START_SECONDS, execution.ends - time.monotonic()))),
            coalesce_streams=False,  # `coalesced` does it, in linear time
            resources={"metadata": {"path": str(execution.cwd)}},
        )
        made(client)
        client.execute()


class NotebookClient(PapermillNotebookClient):  # type: ignore[misc]
    """Executes the cells in order. `failure` says why the run did not reach its end."""

    def __init__(self, nb_man: NotebookExecutionManager, execution: Execution, **traits: Any) -> None:
        super().__init__(nb_man, **traits)
        self.run = execution
        self.failure: BatchFailed | None = None
        self._kept = Kept()
        self._lines = WholeLines(execution.log, execution.scrubber)
        self._exited = False  # whether a cell ended the run well
        self._counts: dict[int, NotebookNode] = {}  # by execution count
        # Of the kernel's process: what cells print comes by messages, but for programs and the descriptors.
        self._stdout, self._stderr = execution.folder / "stdout", execution.folder / "stderr"

    def execute(self, **_: Any) -> None:
        """Start the kernel, run the cells, end the kernel; sets `failure` if that fails."""
        self.reset_execution_trackers()
        try:
            with open(self._stdout, "wb") as output, open(self._stderr, "wb") as errors, self._kernel(output, errors):
                self._all_cells()
                self.shutdown_kernel = "graceful" if self.failure is None else "immediate"
        except RuntimeError as error:  # before the kernel has answered
            self.failure = self.failure or BatchFailed(f"The kernel did not start: {error}", retry=True)
        self._lines.feed(self._stdout.read_text(encoding="utf-8", errors="replace"))
        self._lines.end()

    def _kernel(self, output: IO[bytes], errors: IO[bytes]) -> AbstractContextManager[None]:
        kernel: AbstractContextManager[None] = self.setup_kernel(
            cleanup_kc=True, stdout=output, stderr=errors, **self.run.inherited
        )
        return kernel

    def process_message(self, *given: Any, **named: Any) -> NotebookNode | None:
        """Process a message as nbclient does, and write printed text to the log."""
        output: NotebookNode | None = super().process_message(*given, **named)
        if output is not None and output.output_type == "stream":
            self._lines.feed(output.text)
            self._kept.take(output)
        return output

    async def _async_check_alive(self) -> None:
        """Check once a second, called by nbclient: the kernel of a cancelled run counts as dead."""
        if self.run.cancelled():
            raise DeadKernelError
        await super()._async_check_alive()

    # ------------------------------------------------------------ cells

    def _all_cells(self) -> None:
        code = [index for index, cell in enumerate(self.nb.cells) if cell.cell_type == "code"]
        task = str(self.run.folder / "task.json")
        begin = f"from dltk_runtime.batch import kernel as _dltk\n_dltk_run = _dltk.begin({task!r}, globals())"
        if not self._quietly(begin, 0):
            return
        for done, index in enumerate(code):
            cell = self.nb.cells[index]
            if cell.id == self.run.document.restore_before:
                self._quietly(f"_dltk_run.restore({str(self.run.snapshot)!r})", index)
            if not (self._skipped(cell) or self._cell(cell, index)):
                return
            if self._exited:
                break
            self.run.progress(done + 1, len(code))
        self._quietly(f"_dltk_run.finish({self.run.scrubber.secrets!r})", len(self.nb.cells) - 1)

    def _skipped(self, cell: NotebookNode) -> bool:
        outputs = self.run.document.skipped.get(cell.id)
        if outputs is None:
            return False
        cell.outputs = outputs
        return True

    def _cell(self, cell: NotebookNode, index: int) -> bool:
        """Execute one cell; returns whether it succeeded."""
        self.run.phase(shown(cell))
        self._kept.clear()
        self.nb_man.cell_start(cell, index)
        succeeded = self._attempt(cell, index)
        if not succeeded:
            self.nb_man.cell_exception(cell, index)
            mark_failed(self.nb, cell, self.run.facts)
        # One piece for each stream: a secret may be printed in parts.
        cell.outputs = self._kept.shortened(self.run.scrubber.value(coalesced(cell.outputs)))
        self.nb_man.cell_complete(cell, index)
        return succeeded

    def _attempt(self, cell: NotebookNode, index: int) -> bool:
        self.timeout = self._left()
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            if self.run.may_exit and error.ename == "SystemExit" and error.evalue in ("", "0", "None"):
                self._exited = True
                return True
            self._raised(cell, error)
            self._keep_variables(index)
        except (CellTimeoutError, DeadKernelError) as error:
            self._ended(cell, error)
        else:
            self._counts[cell.execution_count or 0] = cell
            if (found := error_in(cell)) and "raises-exception" not in cell.metadata.get("tags", ()):
                self._raised(cell, found)
                return False
            secrets = self.run.secrets if INJECTED_TAG in cell.metadata.get("tags", ()) else {}
            values = "\n".join(f"{name} = {value!r}" for name, value in secrets.items())
            return self._quietly(f"{values}\n_dltk_run.take_over()", index)
        return False

    def _quietly(self, code: str, index: int) -> bool:
        """Run code that leaves no trace in the notebook; returns whether the run may continue."""
        if not self.nb.cells:
            return True
        visible, cell = self.nb.cells[index], nbformat.v4.new_code_cell(code)
        self.timeout = self._left()
        try:
            self.execute_cell(cell, index, store_history=False)
        except CellExecutionError as error:
            self._raised(visible, error, traceback=traceback_of(cell))
        except (CellTimeoutError, DeadKernelError) as error:
            self._ended(visible, error)
        finally:
            self.nb.cells[index] = visible
        return self.failure is None

    def _keep_variables(self, index: int) -> None:
        """Write a snapshot for a resumed run, unless secrets could be in it."""
        failure = self.failure
        self.run.snapshot.unlink(missing_ok=True)
        if not self.run.scrubber:
            self._quietly(f"_dltk_run.snapshot({str(self.run.snapshot)!r})", index)
        self.failure = failure  # the cell's, and not one of the snapshot

    # ------------------------------------------------------------ failures

    def _raised(self, cell: NotebookNode, error: CellExecutionError | NotebookNode, traceback: str = "") -> None:
        text = traceback or traceback_of(cell)
        place = place_of(self.run.name, cell, text, self._counts)
        said = f"{error.ename}: {error.evalue}".rstrip(": ")
        if error.ename == "NoneType":  # of a representation; its error is in the traceback alone
            said = text.rstrip().rpartition("\n")[2]
        sentence = self.run.scrubber.text(said)
        self.failure = BatchFailed(
            f"{place}: {sentence}",
            kind=error.ename,
            coordinates=place,
            traceback=self.run.scrubber.text(text),
            retry=error.ename in TRANSIENT,
        )

    def _ended(self, cell: NotebookNode, error: Exception) -> None:
        """Record the deadline, a death or a cancellation, also as an output of the cell."""
        place = place_of(self.run.name, cell, "", self._counts)
        died, words = False, ""
        if self.run.cancelled():
            name, what = "Cancelled", "the run was cancelled"
        elif died := isinstance(error, DeadKernelError):
            name, what = "KernelDied", f"the kernel died{death_of(self._process())}"
            words = self.run.scrubber.text(self._stderr.read_text(encoding="utf-8", errors="replace"))
        else:
            name, what = "DeadlinePassed", f"the run's deadline of {self.run.deadline:g} s has passed"
        self.failure = BatchFailed(f"{place}: {what}.", kind=what, coordinates=place, traceback=words, retry=died)
        output = nbformat.v4.new_output("error", ename=name, evalue=what, traceback=[f"{name}: {what}"])
        cell.outputs = [*cell.outputs, output]

    def _process(self) -> Any:
        return getattr(getattr(self.km, "provisioner", None), "process", None)

    def _left(self) -> int:
        """Return the seconds until the deadline, as nbclient takes them."""
        return max(1, math.ceil(self.run.ends - time.monotonic()))
