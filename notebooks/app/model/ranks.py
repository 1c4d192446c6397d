"""Train a PyTorch network, in this process or in several that train together.

Each of the processes (ranks) has a copy of the network and computes its share of every batch;
PyTorch's DistributedDataParallel averages the gradients. So N ranks do the steps that one does. On
one machine they are copies of the worker: code, data, secrets, limits and printed text are those of
the fit. On a cluster each is a worker of its own, with all rows (`across.py`).

Layers that draw random numbers or look at other rows of the batch (`torch.nn.Dropout`, batch norm)
see another part of the batch in each rank: use `Dropout` of this module.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.pool import ExceptionWithTraceback
from pathlib import Path

import torch
from app.model import across

MAX_STARTS = 3  # of all ranks, when one of them is killed
LOOK_SECONDS = 0.2  # between two looks at ranks that report nothing
SETTLE_SECONDS = 10.0  # after one has failed, in which the others notice
KEPT = "kept.pt"


class Dropout(torch.nn.Dropout):
    """Dropout whose mask is that of the whole batch, of which a rank takes its rows."""

    share = None  # (rank, ranks, rows of the batch), set by each step of a rank

    def forward(self, x):
        if self.share is None or not self.training:
            return super().forward(x)
        rank, ranks, rows = self.share
        return x * super().forward(x.new_ones(rows, *x.shape[1:]))[rank::ranks]


def most():
    """Return how many ranks one fit may have: a core for each, and two on any machine."""
    return max(2, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Plan:
    """How long to train, and by how many processes; `seed` decides the order of the rows."""

    epochs: int
    batch_size: int
    seed: int
    workers: int = 1


def train(network, x, y, optimizer, loss_of, plan, told):
    """Train on shuffled batches of the rows of `x` and `y`; return the mean loss of each epoch.

    `loss_of(scores, truth)` is the mean over rows. `told(epoch, loss)` is called after each epoch. On
    a GPU of one machine one process trains, whatever the plan says. If a rank is killed, all start
    again after the last whole epoch.

    Raises:
        ValueError: there cannot be so many workers.
        RuntimeError: ranks were killed too often. What a rank raises is raised as it is.
    """
    workers, together = plan.workers, across.here()
    if workers == 1:
        together = None
    elif together is not None:
        workers = together.ranks
    elif not 1 <= workers <= most():
        raise ValueError(
            f"workers={workers} cannot be used: it must be 1 to {most()}, a core of this machine for each."
        )
    if workers > 1 and together is None and x.device.type != "cpu":
        print(f"workers={workers} has no effect on a GPU: one process trains.")
        workers = 1
    state = _State(network, optimizer, torch.Generator().manual_seed(plan.seed))

    def run(rank, told):
        for epoch in range(len(state.history) + 1, plan.epochs + 1):
            batches = torch.randperm(len(x), generator=state.shuffle).to(x.device).split(plan.batch_size)
            state.history.append(_epoch(state, x, y, loss_of, batches, rank, workers))
            told(epoch, state.history[-1])

    network.train()
    if workers == 1:
        run(0, told)
    elif together is not None:
        across.train(state, run, together, told)
    else:
        _together(state, run, workers, told)
    network.eval()
    return state.history


class _State:
    """All that changes while a network trains."""

    def __init__(self, network, optimizer, shuffle):
        self.network, self.optimizer, self.shuffle = network, optimizer, shuffle
        self.forward = network  # or what averages the gradients of ranks around it
        self.history = []
        self.device = next(network.parameters()).device
        self.number = 1  # of this training among those of one fit

    def save(self, path):
        """Write it, whole or not at all."""
        self.save_to(path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def save_to(self, file):
        """Write it to a path or an open file."""
        parts = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        parts |= {"shuffle": self.shuffle.get_state(), "random": torch.get_rng_state(), "history": self.history}
        parts["number"] = self.number
        if self.device.type == "cuda":
            parts["card"] = torch.cuda.get_rng_state(self.device)
        torch.save(parts, file)

    def load(self, file):
        """Read what `save` or `save_to` wrote, unless that is the state of another training of the fit."""
        parts = torch.load(file, map_location=self.device, weights_only=True)
        if parts["number"] != self.number:
            return
        self.network.load_state_dict(parts["network"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.shuffle.set_state(parts["shuffle"].cpu())
        torch.set_rng_state(parts["random"].cpu())
        if self.device.type == "cuda" and "card" in parts:
            torch.cuda.set_rng_state(parts["card"].cpu(), self.device)
        self.history = parts["history"]


def _epoch(state, x, y, loss_of, batches, rank, ranks):
    """Run one step per batch of row numbers; return the mean loss of all rows."""
    layers = [each for each in state.network.modules() if isinstance(each, Dropout)] if ranks > 1 else []
    total = torch.zeros((), device=x.device)
    for batch in batches:
        for each in layers:
            each.share = (rank, ranks, len(batch))
        rows = batch[rank::ranks]
        scores = state.forward(x[rows])
        # A batch may have fewer rows than there are ranks; the mean of none is no number.
        loss = loss_of(scores, y[rows]) if len(rows) else scores.sum()
        state.optimizer.zero_grad()
        (loss * (ranks * len(rows) / len(batch))).backward()
        state.optimizer.step()
        total += loss.detach() * len(rows)
    if ranks > 1:
        torch.distributed.all_reduce(total)
    return total.item() / len(x)


# ---------------------------------------------------------------- the ranks


def _together(state, run, ranks, told):
    """Run `run` in `ranks` processes, and again from the last whole epoch if one is lost."""
    with tempfile.TemporaryDirectory(prefix="ranks-") as text:
        for number in range(1, MAX_STARTS + 1):
            folder = Path(text, str(number))
            folder.mkdir()
            lost = _start(state, run, ranks, told, folder)
            if (folder / KEPT).exists():
                state.load(folder / KEPT)
            if not lost:
                return
            print(f"{lost}. {len(state.history)} epochs are whole.", flush=True)
    raise RuntimeError(f"{lost}, in each of {MAX_STARTS} starts.")


def _start(state, run, ranks, told, folder):
    """Run all ranks to their end; return which one was lost, or an empty text if none was.

    Raises:
        Exception: what a rank has raised, with its traceback.
    """
    context = multiprocessing.get_context("fork")  # a rank has what the notebook has defined, and its data
    reports, reporting = context.Pipe(duplex=False)
    processes = [
        context.Process(target=_rank, args=(state, run, rank, ranks, folder, reporting)) for rank in range(ranks)
    ]
    try:
        for each in processes:
            each.start()
        reporting.close()
        for report in _reports(processes, reports):
            told(*report)
        return _end(processes, folder)
    finally:
        for each in processes:
            each.kill()
            each.join()
        reports.close()


def _reports(processes, reports):
    """Yield what rank 0 reports, until one has failed or all have ended."""
    while not any(each.exitcode for each in processes):
        if reports.poll(LOOK_SECONDS):
            try:
                yield reports.recv()
            except EOFError:
                return
        elif all(each.exitcode == 0 for each in processes):
            return


def _end(processes, folder):
    """Return which rank was lost; raise what one has raised, if none was. The others fail when one does."""
    deadline = time.monotonic() + SETTLE_SECONDS
    for each in processes:
        each.join(max(deadline - time.monotonic(), 0))
    failed = {int(path.name): pickle.loads(path.read_bytes()) for path in folder.glob("[0-9]*")}  # noqa: S301 - our own
    for rank, each in enumerate(processes):
        if each.exitcode and rank not in failed:
            how = signal.Signals(-each.exitcode).name if each.exitcode < 0 else f"exit code {each.exitcode}"
            return f"Rank {rank} of {len(processes)} ended by {how}"
    if failed:
        raise min(failed.values(), key=lambda pair: pair[0])[1]
    return ""


def _rank(state, run, rank, ranks, folder, reporting):
    """Be one rank: train, keep each epoch and report it."""
    torch.set_num_threads(1)  # a copy of a process cannot use the threads that the original has made
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    try:
        meeting = f"file://{folder}/meeting"
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks)
        state.forward = torch.nn.parallel.DistributedDataParallel(state.network)

        def told(epoch, loss):
            if rank == 0:
                state.save(folder / KEPT)
                reporting.send((epoch, loss))
            torch.distributed.barrier()  # no rank is further than what is kept

        run(rank, told)
    except Exception as error:  # noqa: BLE001 - it is raised in the process that waits
        _keep(error, folder / str(rank))
        raise SystemExit(1) from None


def _keep(error, path):
    """Write an error with its traceback and time, whole or not at all."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - what a notebook's own error cannot do
        error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
    written = path.with_name(f"new-{path.name}")
    written.write_bytes(pickle.dumps((time.monotonic(), ExceptionWithTraceback(error, error.__traceback__))))
    written.replace(path)
