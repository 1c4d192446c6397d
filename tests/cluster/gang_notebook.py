"""A notebook that several workers fit together, and that holds, fails or is killed where a test says so."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

from tests.conftest import HEALTHY

LIBRARY = Path(__file__).resolve().parents[2] / "notebooks" / "app" / "model"
PARAMETERS = """
    resources: str = "{resources}"
    workers: int = 1
    hold: str = ""  # what happens to rank 1 at the first step of epoch 3, once
"""
IMPORT = """
    import json, os, time
    import pandas as pd
    import torch
    from app.model import ranks
    from dltk_runtime import gang, progress
    MODEL_DIRECTORY = "/srv/app/model/data/"
"""
FIT = """
    def fit(model, df, param):
        asked, here = param["parameters"], gang.here()
        rank, hold, told = here.rank if here else 0, asked["hold"], []
        print(f"rank {{rank}} has {{len(df)}} rows", flush=True)
        print(f"rank {{rank}} sees GPU {{os.environ.get('CUDA_VISIBLE_DEVICES')}}", flush=True)
        torch.manual_seed(1 + rank)
        network = torch.nn.Sequential(torch.nn.Linear(2, 4), ranks.Dropout(0.3), torch.nn.Linear(4, 2))

        def loss_of(scores, truth):
            if rank == 1 and hold == "raise" and len(told) == 2:
                raise ValueError("rank 1 cannot go on")
            if rank == 1 and hold and len(told) == 2 and not os.path.exists("{folder}/held-" + hold):
                with open("{folder}/new", "w") as file:
                    json.dump({{"pid": os.getpid()}}, file)
                os.replace("{folder}/new", "{folder}/held-" + hold)
                while not os.path.exists("{folder}/go-" + hold):
                    time.sleep(0.05)
            return torch.nn.functional.cross_entropy(scores, truth)

        def tell(epoch, loss):
            told.append(epoch)
            progress(epoch, 5, loss=loss)

        torch.set_num_threads(1)
        x = torch.tensor(df[["x", "z"]].to_numpy(), dtype=torch.float32)
        plan = ranks.Plan(epochs=5, batch_size=16, seed=3, workers=asked["workers"])
        adam = torch.optim.Adam(network.parameters(), lr=0.01)
        loss = ranks.train(network, x, torch.tensor(df["y"].to_numpy()), adam, loss_of, plan, tell)
        model["rows"] = len(df)
        return {{"loss": loss, "told": told, "ranks": here.ranks if here else 1, "address": here and here.address}}
"""


def write_together(notebooks: Path, name: str, resources: str, folder: Path) -> None:
    """Write it; `folder` is where it meets the test."""
    cells = HEALTHY | {"import": IMPORT, "fit": FIT.format(folder=folder)}
    parts = [("parameters", PARAMETERS.format(resources=resources)), *cells.items()]
    document = {
        "cells": [
            {
                "cell_type": "code",
                "metadata": {"tags": [part]} if part == "parameters" else {"name": f"mltkc_{part}"},
                "outputs": [],
                "execution_count": None,
                "source": dedent(str(source)).strip(),
            }
            for part, source in parts
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (notebooks / f"{name}.ipynb").write_text(json.dumps(document))
