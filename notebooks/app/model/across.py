"""Train a PyTorch network by the workers of several machines, of which this process is one.

The service has started them together and told each its rank (`dltk_runtime.gang`). Here they meet at
an address of rank 0, begin with the same state, and keep each epoch where it outlives its machine.
"""

from __future__ import annotations

import io
import itertools
import os
import socket

import torch
from torch import distributed

from dltk_runtime import gang

BACKLOG = 128  # ranks that may wait to be let in
_numbers = itertools.count(1)  # of the trainings of this process, in the same order in every rank


class RankLost(RuntimeError):
    """The way to another rank is lost; why, that rank or its machine says."""


def here():
    """Return this process' rank among those that train together; None if it trains alone."""
    return gang.here()


def train(state, run, rank, told):
    """Call `run(rank, told)` in every rank, from the epoch after the last one that was kept.

    Raises:
        RankLost: another rank does not answer. What this rank raises is raised as it is.
    """
    device, state.number = state.device, next(_numbers)
    try:
        _meet(rank, device)
        begin = rank.folder / gang.BEGIN
        if rank.rank == 0 and begin.exists():
            state.load(begin)
            if state.history:
                print(f"Training goes on after {len(state.history)} whole epochs.", flush=True)
        _share(state, rank.rank)
        devices = [device] if device.type == "cuda" else None
        state.forward = torch.nn.parallel.DistributedDataParallel(state.network, device_ids=devices)

        def kept(epoch, loss):
            if rank.rank == 0:
                state.save(rank.folder / gang.KEPT)
                rank.kept(epoch)
            distributed.barrier()  # no rank is further than what is kept
            told(epoch, loss)

        run(rank.rank, kept)
    except (RuntimeError, TimeoutError) as error:
        if _is_of_the_way(error):
            raise RankLost(f"rank {rank.rank} of {rank.ranks} lost the way to another one: {error}") from error
        raise


def _meet(rank, device):
    """Join the process group, once in a process: on a GPU NCCL carries gradients, else Gloo carries all.

    Raises:
        ValueError: this machine does not have the address by which the others know it.
    """
    if distributed.is_initialized():
        return
    if name := rank.interface():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", name)
    elif "GLOO_SOCKET_IFNAME" not in os.environ:  # Gloo would listen where the machine's name leads
        raise ValueError(
            f"No network interface of this machine has the address {rank.address}, by which the cluster knows it. "
            "Start its Ray node with an address of its own (--node-ip-address)."
        )
    if rank.rank == 0:
        store = _listen(rank)
    else:
        address, port = rank.meeting()
        store = distributed.TCPStore(address, port, rank.ranks, is_master=False)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank.rank, world_size=rank.ranks)


def _listen(rank):
    """Listen on the machine's own address, at a free port: no port is named in advance, nor open elsewhere."""
    family = socket.AF_INET6 if ":" in rank.address else socket.AF_INET
    listening = socket.create_server((rank.address, 0), family=family, backlog=BACKLOG)
    port = listening.getsockname()[1]
    rank.listens(port)
    return distributed.TCPStore(
        rank.address, port, rank.ranks, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
    )


def _share(state, rank):
    """Give every rank the state of rank 0; as tensors, so that nothing that arrives is ever run."""
    data = torch.zeros(1, dtype=torch.int64)
    if rank == 0:
        file = io.BytesIO()
        state.save_to(file)
        content = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
        data[0] = len(content)
    distributed.broadcast(data, 0)
    if rank != 0:
        content = torch.empty(int(data), dtype=torch.uint8)
    distributed.broadcast(content, 0)
    if rank != 0:
        state.load(io.BytesIO(content.numpy().tobytes()))


def _is_of_the_way(error):
    """Return whether an error is one of the connections between ranks."""
    text = str(error)
    ways = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
    return isinstance(error, (distributed.DistError, TimeoutError)) or any(each in text for each in ways)
