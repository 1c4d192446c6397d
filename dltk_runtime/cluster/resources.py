"""What a notebook asks for: the parameters `resources` and `apply_resources` of its parameters cell.

::

    resources: str = "gpu, memory=16G"  # of the machine that fits it
    apply_resources: str = "label=kind=a100"  # of the machine that applies it

A search may give another value, as for every declared parameter. A notebook that does not declare
`resources` asks for one place, and for a GPU where it imports a library that trains on one and any
machine has one. With `workers=2` that is what each of two workers needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping

from dltk_runtime import booleans
from dltk_runtime.cluster.apply_placement import ApplyNeed
from dltk_runtime.cluster.placement import Need
from dltk_runtime.errors import OptionInvalid
from dltk_runtime.notebook.cells import COMPILE_ERRORS
from dltk_runtime.notebook.declaration import declared
from dltk_runtime.notebook.frameworks import GPU_TRAINING
from dltk_runtime.notebook.source import Source
from dltk_runtime.setting_types import as_bytes
from dltk_runtime.texts import unquote

PARAMETER, WORKERS = "resources", "workers"
TOGETHER = "ranks"  # the module of ``app.model`` by which notebooks train together
MAX_WORKERS, MAX_DIGITS = 1024, 9
OF_APPLIES = "apply_resources"
WANTED_BY_APPLIES = "gpu, label=<name>=<value>, or both separated by a comma"
WANTED = "parts separated by commas: gpu, cpus=<number>, memory=<size such as 8G>, label=<name>=<value>"


def need_of(
    source: Source, imports: Collection[str], given: Mapping[str, str], *, gpus: bool, patient: bool = False
) -> Need:
    """Return the need of a fit by one worker; `gpus` says whether any machine has a GPU.

    Raises:
        OptionInvalid: `resources` cannot be read.
    """
    text = asked(source, given)
    parts = dict(_part(each, text) for each in text.split(",") if each.strip())
    trains = gpus and not GPU_TRAINING.isdisjoint(imports)
    gpu = bool(parts.get("gpu", trains))
    return Need(
        cpus=int(parts.get("cpus", 0 if gpu else 1)),
        memory=int(parts.get("memory", 0)),
        gpu=gpu,
        label=str(parts.get("label", "")),
        patient=patient,
    )


def apply_need_of(source: Source) -> ApplyNeed:
    """Return what the applies of a notebook ask for; a search cannot change it.

    Raises:
        OptionInvalid: `apply_resources` cannot be read.
    """
    text = asked(source, {}, OF_APPLIES)
    parts = dict(_part(each, text) for each in text.split(",") if each.strip())
    if not parts.keys() <= {"gpu", "label"}:
        raise OptionInvalid(OF_APPLIES, text, WANTED_BY_APPLIES)
    return ApplyNeed(bool(parts.get("gpu", False)), str(parts.get("label", "")))


def refuse_beyond(need: Need, text: str, cpus: int, memory: int) -> None:
    """Refuse a need, asked for by `text`, that is beyond the operator's bounds with all its workers; 0 is no bound.

    Raises:
        OptionInvalid: naming the bound.
    """
    name, text = (WORKERS, str(need.workers)) if need.workers > 1 else (PARAMETER, text)
    if cpus and need.cpus * need.workers > cpus:
        raise OptionInvalid(name, text, f"at most cpus={cpus} (DLTK_CLUSTER_CPUS)")
    if memory and need.memory * need.workers > memory:
        raise OptionInvalid(name, text, f"at most {memory >> 20:,} MiB of memory (DLTK_CLUSTER_MEMORY)")


def asked(source: Source, given: Mapping[str, str], parameter: str = PARAMETER) -> str:
    """Return the text of a parameter: the search's, or else the notebook's; empty if it declares none."""
    declares = {}
    with contextlib.suppress(*COMPILE_ERRORS):  # the worker reports them
        declares = {each.name: each.default for each in declared(source.parameters.source)} if source.parameters else {}
    if parameter not in declares:
        return ""
    return unquote(given.get(parameter, str(declares[parameter] or ""))).strip()


def workers_of(source: Source, given: Mapping[str, str], modules: Callable[[], Collection[str]]) -> int:
    """Return by how many workers a notebook wants to be fitted.

    That is its parameter `workers`, where it trains by `app.model.ranks`: `modules` returns what it
    imports of ``app.model``. What is no number of workers the notebook itself refuses.
    """
    text = asked(source, given, WORKERS)
    if not text.isdecimal() or len(text) > MAX_DIGITS or not 1 < int(text) <= MAX_WORKERS:
        return 1
    return int(text) if TOGETHER in modules() else 1


def _part(part: str, text: str) -> tuple[str, bool | int | str]:
    name, _, value = part.strip().partition("=")
    name, value = name.strip(), value.strip()
    try:
        match name:
            case "gpu":
                return name, booleans.parse(value) if value else True
            case "cpus":
                return name, _positive(value)
            case "memory":
                return name, as_bytes(value)
            case "label" if value:
                return name, value
    except (ValueError, OverflowError) as error:
        raise OptionInvalid(PARAMETER, text, WANTED) from error
    raise OptionInvalid(PARAMETER, text, WANTED)


def _positive(text: str) -> int:
    number = int(text)
    if not 0 < number < 10_000:
        raise ValueError(text)
    return number
