"""Networks that several processes train together: `app.model.ranks`, and the notebooks that use it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dltk_runtime import gang
from dltk_runtime.notebook.coordinates import coordinates
from tests.library.functions import NOTEBOOKS, Get, algorithms, asked, handed

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

CLOSE = 1e-5  # of a mean loss
STEPS = 3  # of rank 1 in an epoch: the last batch has no row for it


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[Get]:
    with algorithms(tmp_path_factory.mktemp("home")) as get:
        yield get


@pytest.fixture(scope="module")
def ranks(algorithm: Get) -> Any:
    """The helper, as notebooks import it; one thread for all, as each rank has."""
    import torch
    from app.model import ranks

    torch.set_num_threads(1)
    return ranks


class Training:
    """A small network over 70 rows in batches of 23: the last one has a single row, less than there are ranks."""

    def __init__(self, ranks: Any, workers: int) -> None:
        import torch

        torch.manual_seed(1)
        self.network = torch.nn.Sequential(torch.nn.Linear(3, 8), ranks.Dropout(0.3), torch.nn.Linear(8, 2))
        self.told: list[tuple[int, float]] = []
        self._ranks, self._workers = ranks, workers

    def run(self, loss_of: Callable[[Any, Any], Any] | None = None) -> list[float]:
        import torch

        x = torch.randn(70, 3, generator=torch.Generator().manual_seed(2))
        history: list[float] = self._ranks.train(
            self.network,
            x,
            (x.sum(1) > 0).long(),
            torch.optim.Adam(self.network.parameters(), lr=0.01),
            loss_of or torch.nn.functional.cross_entropy,
            self._ranks.Plan(epochs=5, batch_size=23, seed=3, workers=self._workers),
            lambda epoch, loss: self.told.append((epoch, loss)),
        )
        return history


@pytest.fixture(scope="module")
def alone(ranks: Any) -> list[float]:
    """The losses of one process."""
    return Training(ranks, 1).run()


def test_two_ranks_have_the_losses_of_one(ranks: Any, alone: list[float]) -> None:
    training = Training(ranks, 2)
    history = training.run()
    assert history == pytest.approx(alone, abs=CLOSE)
    assert training.told == list(enumerate(history, start=1))
    assert not training.network.training


def test_a_rank_that_is_killed_in_epoch_3_resumes_at_its_checkpoint(
    ranks: Any, alone: list[float], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Epochs 1 and 2 are not trained again, and the losses are those of a training that nobody killed."""
    import torch

    steps = tmp_path / "steps"

    def loss_of(scores: Any, truth: Any) -> Any:
        if torch.distributed.get_rank() == 1:
            with steps.open("a") as file:
                file.write("s")
            if steps.stat().st_size == 2 * STEPS + 1:
                os.kill(os.getpid(), signal.SIGKILL)
        return torch.nn.functional.cross_entropy(scores, truth)

    assert Training(ranks, 2).run(loss_of) == pytest.approx(alone, abs=CLOSE)
    assert "Rank 1 of 2 ended by SIGKILL. 2 epochs are whole.\n" in capfd.readouterr().out
    assert steps.stat().st_size == 2 * STEPS + 1 + 3 * STEPS


def test_a_rank_that_is_killed_each_time_ends_the_fit(ranks: Any) -> None:
    def loss_of(scores: Any, truth: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match=r"Rank [01] of 2 ended by SIGKILL, in each of 3 starts"):
        Training(ranks, 2).run(loss_of)


def test_an_error_of_one_rank_is_raised_with_its_line(ranks: Any) -> None:
    def loss_of(scores: Any, truth: Any) -> Any:
        import torch

        if torch.distributed.get_rank() == 1:
            raise Unusual("one", two=2)
        return torch.nn.functional.cross_entropy(scores, truth)

    with pytest.raises(RuntimeError, match="Unusual: one 2") as caught:
        Training(ranks, 2).run(loss_of)
    assert "raise Unusual" in str(caught.value.__cause__)


class Unusual(Exception):
    """An error that cannot be pickled."""

    def __init__(self, one: str, *, two: int) -> None:
        super().__init__(f"{one} {two}")
        self.lock = threading.Lock()  # no library that teaches pickle other errors can do it either


def test_more_ranks_than_cores_are_refused(ranks: Any) -> None:
    for workers in (0, 1000):
        with pytest.raises(ValueError, match=f"workers={workers} cannot be used: it must be 1 to {ranks.most()}"):
            Training(ranks, workers).run()


@pytest.mark.parametrize(
    ("name", "sample", "target", "features"),
    [
        ("pytorch_nn", "iris_train", "species", ["petal_length", "petal_width", "sepal_length", "sepal_width"]),
        ("dga_classifier", "dga_train", "is_dga", ["domain"]),
    ],
)
def test_notebooks_train_by_two_workers_as_by_one(
    name: str, sample: str, target: str, features: list[str], algorithm: Get, ranks: Any
) -> None:
    frame = pd.read_csv(NOTEBOOKS / "data" / "samples" / f"{sample}.csv")
    frame = frame.sample(min(len(frame), 400), random_state=1)
    losses = []
    for workers in ("1", "2"):
        param = handed(algorithm(name), asked(target, features, epochs="3", workers=workers))
        model = algorithm(name).init(frame, param)
        losses.append(algorithm(name).fit(model, frame, param)["history"]["loss"])
    assert losses[1] == pytest.approx(losses[0], abs=CLOSE)
    assert len(losses[0]) == 3


def test_an_error_in_a_rank_has_the_coordinates_of_its_cell(
    algorithm: Get, ranks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = algorithm("dga_classifier")
    frame = pd.read_csv(NOTEBOOKS / "data" / "samples" / "dga_train.csv")
    param = handed(notebook, asked("is_dga", ["domain"], epochs="1", workers="2"))
    model = notebook.init(frame, param)
    model["network"].embedding = None
    with pytest.raises(TypeError) as caught:
        notebook.fit(model, frame, param)
    found = coordinates(caught.value)
    assert found is not None
    assert (found.notebook, found.cell_name) == ("dga_classifier.ipynb", "mltkc_network")
    assert found.text == "embedded = self.embedding(x).transpose(1, 2)"


def test_no_rank_listens_at_another_address_than_that_of_its_machine(
    ranks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That address is of a network for documentation (RFC 5737): no machine has it."""
    import torch
    from app.model import across

    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    rank = gang.Rank(1, 2, "192.0.2.1", tmp_path, listens=lambda _: None, kept=lambda _: None)
    with pytest.raises(ValueError, match=r"No network interface of this machine has the address 192\.0\.2\.1"):
        across._meet(rank, torch.device("cpu"))
