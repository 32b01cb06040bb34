"""SmolLM2-135M with other KV caches: perplexity of docs/reference/kv-smollm2.csv, and speed and energy of a chip."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from crossbar.intervals import Interval, mean_interval
from pimsim import load_config, simulate
from pimsim.results.run_result import RunResult
from pimsim.studies.accuracy.paired_ratio import perplexity_of
from tools.docs_generator.facts import reference

TOKENS = 2048
"""Tokens of a window, and context of the decode step."""
BASE = ("bits", "float16", "16")
FLOATS = ("float", "float32", "32")
MACHINE = "pim-llm"
WEIGHTS = "int8"
"""Integers in the arrays, as of the network whose perplexity is evaluated."""
SHAPE: Mapping[str, object] = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}
"""Shape of SmolLM2-135M, as the metadata of its GGUF file has it (docs/checkpoints.md)."""

SHOWN = 1.6
"""Largest perplexity in the picture, relative to that of float16."""

Key = tuple[str, str, str]
"""Group, line and value of a cache."""


@dataclass(frozen=True)
class Cache:
    """A cache with the likelihoods that were computed with it.

    Attributes:
        key: Group, line and value.
        kv: Section `workload.kv`; None for a float32 cache, which has no chip.
        nats: Negative log likelihood of each block of each window, nats, by the first token of the window.
    """

    key: Key
    kv: Mapping[str, object] | None
    nats: Mapping[int, Sequence[float]]

    def perplexity(self, starts: Sequence[int]) -> float:
        """Return the perplexity per token over some windows."""
        return math.exp(math.fsum(sum(self.nats[start]) for start in starts) / (TOKENS * len(starts)))

    @cached_property
    def step(self) -> RunResult:
        """A decode step of the chip at a context of `TOKENS` tokens."""
        assert self.kv is not None
        return decode_step(json.dumps(self.kv))

    @property
    def held_bytes(self) -> int:
        """Bytes of the cache after `TOKENS` tokens."""
        assert self.step.kv_cache_bytes is not None
        return self.step.kv_cache_bytes


@cache
def caches() -> Mapping[Key, Cache]:
    """Return all caches of the file, in its order, each with all of its windows."""
    found: dict[Key, Cache] = {}
    windows: dict[Key, dict[int, list[float]]] = {}
    for row in reference("kv-smollm2"):
        key = row["group"], row["line"], row["value"]
        of_case = windows.setdefault(key, {})
        of_case[int(row["start"])] = [float(value) for name, value in row.items() if name.startswith("nats_")]
        found.setdefault(key, Cache(key, json.loads(row["kv"]), of_case))
    return found


@cache
def starts() -> tuple[int, ...]:
    """Return the first tokens of the windows that were evaluated with every cache: only these are presented."""
    common = set.intersection(*(set(each.nats) for each in caches().values()))
    if not common:
        raise ValueError("docs/reference/kv-smollm2.csv has no window with all caches")
    return tuple(sorted(common))


def ratio(key: Key, base: Key = BASE) -> Interval:
    """Return the ratio of the perplexities of two caches, with an interval from differences of the same blocks.

    Args:
        key: The cache.
        base: The cache in the denominator.

    Returns:
        Ratio with an interval over the blocks of all windows. The blocks of a window differ in their position, too,
        which widens the interval.
    """
    ours, theirs = caches()[key].nats, caches()[base].nats
    pairs = [pair for start in starts() for pair in zip(ours[start], theirs[start], strict=True)]
    per_block = TOKENS * len(starts()) / len(pairs)
    return mean_interval([(nats - known) / per_block for nats, known in pairs]).mapped(perplexity_of)


@cache
def decode_step(kv: str) -> RunResult:
    """Simulate a decode step of the chip.

    Args:
        kv: Section `workload.kv`, JSON.

    Returns:
        The result.
    """
    with tempfile.TemporaryDirectory() as folder:
        shape = Path(folder, "config.json")
        shape.write_text(json.dumps(SHAPE), encoding="utf-8")
        settings = {
            "workload.model": str(shape),
            "workload.phase": "decode",
            "workload.context_length": TOKENS,
            "workload.kv": json.loads(kv),
            "machine.crossbar.pair.encoding.weights": WEIGHTS,
        }
        return simulate(load_config(MACHINE, settings))


def on_front(points: Mapping[Key, tuple[float, float]]) -> list[Key]:
    """Return the points of a Pareto front.

    Args:
        points: Two costs of each, both of which are to be small.

    Returns:
        Those that no other point beats in one cost without losing in the other, by the first cost.
    """
    front: list[Key] = []
    lowest = math.inf
    for key in sorted(points, key=lambda each: points[each]):
        if points[key][1] < lowest:
            front.append(key)
            lowest = points[key][1]
    return front


@cache
def byte_front() -> list[Key]:
    """Return the front of bytes and perplexity, the smallest cache first."""
    return on_front({key: (each.held_bytes, ratio(key).mean) for key, each in timed().items()})


@cache
def energy_front() -> list[Key]:
    """Return the front of tokens/J and perplexity, the most tokens/J first."""
    return on_front({key: (-each.step.tokens_per_j, ratio(key).mean) for key, each in timed().items()})


def picture_data() -> dict[str, Any]:
    """Return what the picture shows: lines of (MiB, tokens/J, perplexity), the fronts, and the largest perplexity."""

    def point(key: Key) -> list[float]:
        each = timed()[key]
        perplexity = each.perplexity(starts())
        return [round(each.held_bytes / 2**20, 5), round(each.step.tokens_per_j, 4), round(perplexity, 4)]

    lines: dict[str, list[list[float]]] = {}
    for key in timed():
        kind = "" if key[0] == "bits" else ", 8 bits" if key[0] == "budget" else ", fewer bits"
        lines.setdefault(key[1].partition(", ")[0] + kind if key[0] == "both" else key[1] + kind, []).append(point(key))
    fronts = [[point(key) for key in front] for front in (byte_front(), energy_front())]
    limit = SHOWN * point(BASE)[2]
    return {"lines": list(lines.items()), "fronts": fronts, "limit": round(limit, 4)}


def timed() -> Mapping[Key, Cache]:
    """Return the caches that a chip has."""
    return {key: each for key, each in caches().items() if each.kv is not None}
