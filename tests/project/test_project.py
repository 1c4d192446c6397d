"""The files around the code agree with each other: locks, environments, README, commands."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dltk_runtime import __version__, cli
from dltk_runtime.settings import GROUPS, VARIABLES, ClientSettings

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
VARIANTS = {"cpu": ("all", "dev"), "gpu": ("all-gpu", "dev")}

ONE_PROCESS = """
import tensorflow, torch, keras, sklearn, pandas, jupyterlab, papermill, splunklib.client
import dask.array, dask.distributed, hmmlearn.hmm, networkx, onnx, onnxruntime, prophet, pyod.models.ecod, seaborn, shap
import statsmodels.api, stumpy, textblob, tf2onnx, umap, xgboost
print(pandas.__version__)
print(float(torch.ones(2).sum()), float(tensorflow.reduce_sum(tensorflow.ones(3))))
"""


def locked(lock: Path) -> dict[str, str]:
    """Name and version of every line of `lock`."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def requirements(extras: Iterable[str]) -> list[Requirement]:
    """What the project needs with `extras`; extras that name extras are followed."""
    found = [Requirement(text) for text in PROJECT["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
            ours = requirement.name == PROJECT["name"]
            found += requirements(requirement.extras) if ours else [requirement]
    return found


def test_the_version_is_written_down_once_more_and_is_the_same() -> None:
    assert PROJECT["version"] == __version__


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_exact_versions_and_nothing_else(lock: Path) -> None:
    lines = lock.read_text(encoding="utf-8").splitlines()
    wrong = [line for line in lines if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line)]
    assert wrong == []  # so no address, no path, no local build such as +cpu, no project of our own
    assert lines == sorted(set(lines), key=lambda line: line.partition("==")[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_lock_holds_every_dependency_in_a_version_that_fits(variant: str) -> None:
    versions = locked(ROOT / "locks" / f"{variant}.txt")
    wrong = [
        str(each)
        for each in requirements(VARIANTS[variant])
        if not each.specifier.contains(versions.get(canonicalize_name(each.name), "0"))
    ]
    assert wrong == []


def test_the_cpu_lock_holds_the_cpu_builds_and_the_gpu_lock_the_same_versions_of_all_else() -> None:
    cpu, gpu = (locked(ROOT / "locks" / f"{variant}.txt") for variant in VARIANTS)
    assert not [name for name in cpu if name.startswith(("nvidia-", "cuda-"))]
    differ = {name for name, version in cpu.items() if gpu.get(name) != version}
    assert differ == {"tensorboard", "tensorflow-cpu", "torch", "xgboost-cpu"}
    assert {"tensorflow", "xgboost"} <= set(gpu)


def test_the_gpu_lock_holds_each_cuda_library_once() -> None:
    """Wheels of different CUDA releases write the same files: cuDNN and NCCL of 12 and 13 do."""
    names = [re.sub(r"-cu\d+$", "", name) for name in locked(ROOT / "locks" / "gpu.txt") if name.startswith("nvidia-")]
    assert "nvidia-cudnn" in names
    assert sorted(names) == sorted(set(names))


def test_the_conda_environment_asks_for_what_pyproject_asks_for() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, lists = environment["dependencies"]
    options = [each for each in lists["pip"] if each.startswith("--")]
    asked = [str(Requirement(each)) for each in lists["pip"] if not each.startswith("--")]
    assert (environment["name"], pip, options) == ("dltk", "pip", ["--constraint locks/cpu.txt", "--editable ."])
    assert f">={python.removeprefix('python=')}" == PROJECT["requires-python"]
    assert sorted(asked) == sorted({str(each) for each in requirements(["all"])})


@pytest.mark.timeout(900)
@pytest.mark.process
def test_all_libraries_live_in_one_process() -> None:
    # Without CUDA's look for a device and TensorFlow's notes, so that only trouble is printed.
    environ = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", ONE_PROCESS]
    result = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert result.returncode == 0, result.stderr
    pandas, sums = result.stdout.splitlines()
    assert pandas.startswith("3.")
    assert sums == "2.0 3.0"


@pytest.mark.parametrize("table", ["settings", "algorithms", "commands", "routes", "flow rules"])
def test_the_reference_pages_have_the_current_tables(table: str) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "reference_tables.py"))
    page = (tool["REFERENCE"] / tool["TABLES"][table][0]).read_text(encoding="utf-8")
    assert tool["updated"](page, table) == page, "run `make tables`"


def test_a_default_in_the_reference_can_be_given_to_its_variable() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "reference_tables.py"))
    wrong = {}
    for each in (each for group in (*GROUPS, ClientSettings) for each in fields(group)):
        variable, text = each.metadata["variable"], tool["shown"](each.metadata["variable"], each.default).strip("`")
        if text and not isinstance(each.default, Path):
            with contextlib.suppress(ValueError):
                if variable.cast(text) == each.default:
                    continue
            wrong[variable.name] = text
    assert wrong == {}


def test_serves_help_names_every_setting() -> None:
    shown = CliRunner().invoke(cli.dltk, ["serve", "--help"]).output
    assert [each.name for each in VARIABLES.values() if each.name not in shown] == []


@pytest.mark.process
def test_make_alone_lists_every_target_with_a_line() -> None:
    shown = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory"], capture_output=True, text=True, check=True
    )
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert re.findall(r"^  make ([\w-]+) +\S", shown.stdout, re.MULTILINE) == targets


def test_ci_runs_the_gate_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "make test"]


def test_the_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "gate.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_the_hooks_are_local_and_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = hooks["repos"]
    assert repository["repo"] == "local"
    scripts = [word for hook in repository["hooks"] for word in hook["entry"].split() if word.startswith("tools/")]
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_the_issue_templates_are_forms_with_names() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    read = {form.stem: yaml.safe_load(form.read_text(encoding="utf-8")) for form in forms}
    assert {name for name, form in read.items() if {"name", "description", "body"} <= set(form)} == {"defect", "idea"}


def test_the_paths_that_contributing_names_exist() -> None:
    """A contributor who follows the table of changes finds each file."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|txt))?)`", text)
    assert len(names) > 40
    missing = [name for name in names if not any((root / name).exists() for root in (ROOT, ROOT / "dltk_runtime"))]
    assert missing == []


def test_the_page_for_developers_explains_the_targets() -> None:
    page = (ROOT / "docs" / "how-to" / "develop.md").read_text(encoding="utf-8")
    for target in ("demo", "test", "setup", "format", "tables", "docs", "lock", "soak", "fuzz", "bench"):
        assert f"`make {target}`" in page
