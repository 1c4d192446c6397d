"""Progress that notebooks report, and progress that is read out of what they print."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.jobs.progress import PrintedProgress
from dltk_runtime.reporting import Reporter

KERAS = (
    b"Epoch 3/50\n"
    b"\x1b[1m1/10\x1b[0m \x1b[32m\xe2\x94\x81\xe2\x94\x81\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m 12ms/step"
    b" - accuracy: 0.5000 - loss: 0.6931"
)


def test_an_epoch_that_is_announced_is_not_yet_done() -> None:
    (found,) = PrintedProgress().feed(b"Epoch 3/50\n")
    assert (found.step, found.total) == (2, 50)


@pytest.mark.parametrize("text", [b"Epoch 3/50 - loss: 0.5 - acc: 0.25\n", b"epoch: [3/50], loss: 0.5, acc: 0.25\n"])
def test_an_epoch_with_metrics_is_done(text: bytes) -> None:
    (found,) = PrintedProgress().feed(text)
    assert (found.step, found.total, found.metrics) == (3, 50, {"loss": 0.5, "acc": 0.25})


def test_keras_bars_carry_the_metrics_of_their_epoch() -> None:
    (found,) = PrintedProgress().feed(KERAS)
    assert found.metrics["loss"] == pytest.approx(0.6931)
    assert found.total == 50


def test_tqdm_bars_are_read() -> None:
    (found,) = PrintedProgress().feed("\r 45%|████▌     | 9/20 [00:01<00:01,  8.9it/s, loss: 0.1]".encode())
    assert (found.step, found.total) == (9, 20)


def test_a_line_that_comes_in_pieces_is_read_once_it_is_whole() -> None:
    progress = PrintedProgress()
    assert progress.feed(b"Epoch 1") == []
    assert progress.feed(b"0/20 - loss: 1.0\n")[0].step == 10


@given(st.binary(max_size=300))
def test_whatever_is_printed_is_no_error(text: bytes) -> None:
    PrintedProgress().feed(text)


def test_reports_are_thinned_out_but_the_last_one_arrives() -> None:
    reporter, sent = Reporter(), list[float]()
    reporter.send_to(lambda step, total, metrics: sent.append(step))
    for step in range(1000):
        reporter(step + 1, 1000)
    assert sent[0] == 1
    assert sent[-1] == 1000
    assert len(sent) < 1000


def test_an_iterable_is_reported_as_it_is_gone_through() -> None:
    reporter, sent = Reporter(), list[tuple[float, float]]()
    reporter.send_to(lambda step, total, metrics: sent.append((step, total)))
    assert list(reporter.over([7, 8, 9])) == [7, 8, 9]
    assert sent[-1] == (3, 3)


@pytest.mark.heavy  # TensorFlow
def test_the_keras_callback_reports_each_epoch_with_its_metrics() -> None:
    import keras

    reporter, sent = Reporter(), list[tuple[float, float, list[str]]]()
    reporter.send_to(lambda step, total, metrics: sent.append((step, total, list(metrics))))
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    network.fit(np.ones((4, 1)), np.ones(4), epochs=2, verbose=0, callbacks=[reporter.keras()])
    assert sent[0][1:] == (2, ["loss"])
    assert sent[-1] == (2, 2, ["loss"])


def test_without_a_worker_a_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter()(2, 2, loss=0.5)
    assert "2/2" in capsys.readouterr().out
