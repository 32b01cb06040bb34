"""Runs and sizes behind docs/memory-wall.md, each computed once, and the words in which its tables give them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import yaml

from pimsim import kv_sizes, load_config, roofline, simulate
from pimsim.base.units import DIMENSIONS, format_quantity
from pimsim.config.memory_tiers import MemoryTier, find_tier
from pimsim.results.run_result import RunResult
from pimsim.studies.memory_wall.kv_sizes_result import KvSize
from pimsim.studies.memory_wall.roofline_result import ClassPoint, Roofline
from tools.docs_generator.facts import DOCS, reference
from workloads.models import find_model

PAGE = DOCS / "memory-wall.md"
MACHINES = ("pim-llm", "tpu-llm", "tpu-hbm")
"""Machines of the page; the last one is described in the page itself."""

MODEL = "llama-3-8b"
CONTEXT = 4096
LONG = 32_768
"""Model and contexts of most tables; the long context is one in which attention dominates on the slow arrays."""

HOLDS, DIRECTION, FAILS = "holds", "direction only", "fails"

_BY_SUFFIX = {each.suffix: each for each in DIMENSIONS}


@cache
def _tree(machine: str) -> Mapping[str, object]:
    """Return the config of a machine that the page describes.

    Args:
        machine: Its name.

    Returns:
        The keys of the YAML block.
    """
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        tree: Mapping[str, object] = yaml.safe_load(block)
        if tree.get("name") == machine:
            return tree
    raise ValueError(f"{PAGE.name} has no config named {machine}")


@cache
def run(
    machine: str,
    phase: str = "decode",
    tokens: int = CONTEXT,
    model: str = MODEL,
    memory: str | None = None,
    **keys: object,
) -> RunResult:
    """Simulate one pass on a machine of the page, whose memory has no limit: its rate is what counts here.

    Args:
        machine: Name of the machine.
        phase: "decode" or "prefill".
        tokens: Tokens of the context, or of the prompt.
        model: Name of the model.
        memory: Preset of another memory; None means that of the machine.
        keys: Other keys of the config, with "__" for dots.

    Returns:
        The result.
    """
    length = "prompt_length" if phase == "prefill" else "context_length"
    settings = {
        "machine.memory.capacity_bytes": None,
        "workload.model": model,
        "workload.phase": phase,
        f"workload.{length}": tokens,
        **{key.replace("__", "."): value for key, value in keys.items()},
    }
    tree = tree_of(machine)
    if memory is not None:
        tree = {**tree, "extends": [_first(tree), memory]}
    return simulate(load_config(tree, settings))


def loaded(machine: str, model: str, tokens: int, tiers: Sequence[Mapping[str, object]]) -> RunResult:
    """Simulate a prefill whose tokens but the last have their keys and values in the farthest tier.

    Args:
        machine: Name of the machine.
        model: Name of the model.
        tokens: Tokens of the prompt.
        tiers: Tiers of the KV cache.

    Returns:
        The result.
    """
    settings = {
        "machine.memory.capacity_bytes": None,
        "machine.kv_tiers": [dict(each) for each in tiers],
        "workload.model": model,
        "workload.phase": "prefill",
        "workload.prompt_length": tokens,
        "workload.stored_tokens": tokens - 1,
    }
    return simulate(load_config(tree_of(machine), settings))


def tree_of(machine: str) -> Mapping[str, object]:
    """Return the keys of a config of a machine: of the page, or of one that extends a shipped config."""
    return _tree(machine) if machine == MACHINES[-1] else {"name": machine, "extends": [machine]}


def _first(tree: Mapping[str, object]) -> str:
    """Return the first config that a machine extends; the others are presets."""
    extends = tree["extends"]
    assert isinstance(extends, list)
    return str(extends[0])


@cache
def roofs(machine: str, phase: str = "decode", tokens: int = CONTEXT, batch: int = 1) -> Roofline:
    """Return the roofline of a run of `MODEL`.

    Args:
        machine: Name of the machine.
        phase: "decode" or "prefill".
        tokens: Tokens of the context, or of the prompt.
        batch: Sequences.

    Returns:
        The roofline.
    """
    return roofline(run(machine, phase, tokens, **({} if batch == 1 else {"workload__batch": batch})))


def point(line: Roofline, name: str) -> ClassPoint:
    """Return a class of ops of a roofline, by the beginning of its name.

    Args:
        line: The roofline.
        name: Beginning of the name.

    Returns:
        The class.
    """
    return next(each for each in line.classes if each.name.startswith(name))


def ridge(machine: str) -> float:
    """Return the operations per byte at which memory and systolic array of a machine take equally long."""
    found = roofs(machine).ridge("systolic", "memory")
    assert found is not None
    return found


def attention_s(line: Roofline) -> float:
    """Return the time of attention in a run, seconds: scores, softmax and values."""
    return sum(each.time_s for each in line.classes if each.name.startswith(("attention", "softmax")))


def size(model: str, tokens: int, bits: int = 8, **options: object) -> KvSize:
    """Return the size of the KV cache of a sequence; the last policy if `options` name numbers of one.

    Args:
        model: Name of the model.
        tokens: Tokens of the sequence.
        bits: Bits of keys and values.
        options: Other arguments of `pimsim.kv_sizes`.

    Returns:
        The size.
    """
    return kv_sizes(model, tokens, [bits], tiers=["ssd"], **options).sizes[-1]  # type: ignore[arg-type]


def tier(name: str) -> MemoryTier:
    """Return one unit of a memory tier."""
    return find_tier(name)


def quality(line: str, value: str) -> float:
    """Return the perplexity of the exact model of the shipped network with a cache of docs/kv-quality.md."""
    [row] = (each for each in reference("kv-quality") if (each["line"], each["value"]) == (line, value))
    return float(row["exact_perplexity"])


def layers(model: str = MODEL) -> int:
    """Return the layers of a model."""
    return find_model(model).layers


def quantity(value: float, suffix: str, digits: int = 3) -> str:
    """Return a value with its unit.

    Args:
        value: Value in the SI unit.
        suffix: Suffix of the keys of its dimension, such as "s" or "bytes".
        digits: Significant digits.

    Returns:
        Text such as "3.16 ns".
    """
    return format_quantity(value, _BY_SUFFIX[suffix], digits)


def seconds(value: float) -> str:
    """Return a time with its unit."""
    return quantity(value, "s")


def joules(value: float) -> str:
    """Return an energy with its unit."""
    return quantity(value, "j")


def rate(value: float) -> str:
    """Return a bandwidth in bytes per second with its unit."""
    return quantity(value, "bytes_per_s")


def times(value: float) -> str:
    """Return a ratio, such as "1.25x"."""
    return f"{value:.3g}x" if value < 1000 else f"{value:,.0f}x"


def gib(value: float) -> str:
    """Return bytes in MiB, GiB or TiB."""
    size, unit = max((each for each in _BINARY if each[0] <= value), default=_BINARY[0])
    return f"{value / size:,.4g} {unit}"


_BINARY = ((2**20, "MiB"), (2**30, "GiB"), (2**40, "TiB"))
