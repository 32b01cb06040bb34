"""Tables of docs/memory-wall.md on rates, sizes, formats, dropped tokens, latents and tiers."""

from __future__ import annotations

import math
from functools import cache

from pimsim import roofline
from pimsim.config.memory_tiers import memory_tiers
from tools.docs_generator.facts import table
from tools.docs_generator.wall_runs import (
    CONTEXT,
    LONG,
    MACHINES,
    attention_s,
    gib,
    joules,
    quality,
    quantity,
    rate,
    ridge,
    roofs,
    run,
    seconds,
    size,
    tier,
    times,
)

COMPUTE_GROWTH, BANDWIDTH_GROWTH = 3.0, 1.6
"""Growth in two years of peak operations and of DRAM bandwidth: Gholami et al., IEEE Micro 2024, arXiv:2403.14123."""

BIG = "llama-3-70b"
PASSES = (("decode", 1), ("decode", 16), ("decode", 64), ("prefill", 1))


def years(intensity: float, machine: str) -> float:
    """Return in how many years the ridge point of a machine reaches an intensity, if both rates grow as claimed.

    Args:
        intensity: Operations per byte.
        machine: Name of the machine.

    Returns:
        Years after the machine; negative if its ridge point is beyond the intensity already.

    Reference:
        docs/memory-wall.md, eq. (1).
    """
    return 2 * math.log(intensity / ridge(machine)) / math.log(COMPUTE_GROWTH / BANDWIDTH_GROWTH)


def intensity(machine: str, phase: str, batch: int) -> float:
    """Return the operations per byte of memory of a whole pass."""
    found = roofs(machine, phase, CONTEXT, batch).whole.intensity("memory")
    assert found is not None
    return found


def rates() -> str:
    """Return the table of intensities against ridge points, with the years until they meet."""
    rows = []
    for phase, batch in PASSES:
        cells = []
        for machine in MACHINES:
            found = intensity(machine, phase, batch)
            cells += [f"{found:,.3g}" if found < 1000 else f"{found:,.0f}", f"{years(found, machine):+.1f}"]
        rows.append([phase, batch, *cells])
    head = [title for name in MACHINES for title in (f"`{name}`: op/B", f"years to its ridge point, {ridge(name):.3g}")]
    return table(["pass", "batch", *head], rows, right=range(1, 2 + len(head)))


def sizes() -> str:
    """Return the table of the cache of Llama 3 70B, and how long each memory takes to read it once."""
    rows = []
    for tokens in (128_000, 131_072):
        for bits in (16, 8, 4):
            held = size(BIG, tokens, bits).sequence_bytes
            reads = (seconds(tier(name).read_s(held)) for name in ("lpddr5x", "hbm3"))
            rows.append([f"{tokens:,}", bits, f"{held:,}", f"{held / 1e9:.1f} GB", f"{held / 2**30:.2f} GiB", *reads])
    head = ["tokens", "bits", "bytes", "10^9 bytes", "2^30 bytes", "read from LPDDR5X", "from one stack of HBM3"]
    return table(head, rows, right=range(7))


FORMATS: tuple[tuple[str, dict[str, object]], ...] = (
    ("16", {"key_bits": 16, "value_bits": 16}),
    ("8, per token", {}),
    ("4, per token", {"key_bits": 4, "value_bits": 4}),
    (
        "2, as KIVI",
        {
            "key_bits": 2,
            "value_bits": 2,
            "key_scales": "per_channel",
            "value_scales": "per_group",
            "group_size": 32,
            "scale_bits": 16,
        },
    ),
)


@cache
def with_format(machine: str, index: int) -> tuple[int, float, float]:
    """Return bytes of the cache, and time and energy of a decode step at the long context, of one of `FORMATS`."""
    keys = {f"workload__kv__{key}": value for key, value in FORMATS[index][1].items()}
    result = run(machine, tokens=LONG, **keys)
    assert result.kv_cache_bytes is not None
    return result.kv_cache_bytes, result.latency_s, result.energy_j


def formats() -> str:
    """Return the table of formats: bytes, and time and energy of a token on each machine."""
    rows = []
    for index, (name, _) in enumerate(FORMATS):
        held = with_format(MACHINES[0], index)[0]
        base = with_format(MACHINES[0], 0)[0]
        cells = []
        for machine in MACHINES:
            _, time_s, energy_j = with_format(machine, index)
            cells += [seconds(time_s), joules(energy_j)]
        rows.append([name, gib(held), f"{held / base:.1%}", *cells])
    head = [title for name in MACHINES for title in (f"`{name}`: time", "energy")]
    return table(["bits", "cache", "of 16 bits", *head], rows, right=range(1, 3 + len(head)))


HALF: tuple[tuple[str, dict[str, object]], ...] = (
    ("all tokens", {}),
    ("4 sinks and newest tokens", {"keep": "recent", "sinks": 4, "recent": LONG // 2 - 4}),
    ("random tokens", {"keep": "random", "budget": LONG // 2, "recent": LONG // 4}),
    ("heavy hitters", {"keep": "heavy_hitters", "budget": LONG // 2}),
)
"""Policies that keep half of the tokens of the long context."""

QUALITY = {
    "4 sinks and newest tokens": "sinks and newest tokens",
    "random tokens": "random tokens",
    "heavy hitters": "heavy hitters",
}
"""Names of these policies in docs/reference/kv-quality.csv, whose contexts have 256 tokens."""


@cache
def with_policy(machine: str, index: int) -> tuple[int, float, float]:
    """Return bytes of the cache, and time and energy of a decode step at the long context, of one of `HALF`."""
    result = run(machine, tokens=LONG, **{f"workload__kv__{key}": value for key, value in HALF[index][1].items()})
    assert result.kv_cache_bytes is not None
    return result.kv_cache_bytes, result.latency_s, result.energy_j


def perplexity_change(policy: str) -> float:
    """Return by which fraction the perplexity of the shipped network changes if a policy keeps half of the tokens."""
    return quality(QUALITY[policy], "128") / quality("per token", "8") - 1


def pruning() -> str:
    """Return the table of policies that keep half of the tokens."""
    rows = []
    for index, (name, _) in enumerate(HALF):
        held, base = with_policy(MACHINES[0], index)[0], with_policy(MACHINES[0], 0)[0]
        cells = []
        for machine in MACHINES:
            _, time_s, energy_j = with_policy(machine, index)
            cells += [seconds(time_s), joules(energy_j)]
        change = f"{perplexity_change(name):+.2%}" if name in QUALITY else ""
        rows.append([name, gib(held), f"{held / base:.1%}", *cells, change])
    head = [title for name in MACHINES for title in (f"`{name}`: time", "energy")]
    titles = ["policy", "cache", "of all", *head, "perplexity of `kjv-bitnet`"]
    return table(titles, rows, right=range(1, len(titles)))


def saved(held: int, base: int) -> float:
    """Return by which fraction a size is below another one."""
    return 1 - held / base


@cache
def latent_sizes() -> dict[str, tuple[int, int, float]]:
    """Return bytes per token of DeepSeek-V2 and of others without scales, and the fraction saved."""

    def held(model: str, bits: int) -> int:
        return round(size(model, CONTEXT, bits, scale_bits=0).bytes_per_token)

    mha = size("deepseek-v2", CONTEXT, 16).mha_bytes // CONTEXT
    pairs = {
        "16 bits, DeepSeek 67B with 16 bits": (held("deepseek-v2", 16), held("deepseek-67b", 16)),
        "6 bits, DeepSeek 67B with 16 bits": (held("deepseek-v2", 6), held("deepseek-67b", 16)),
        "16 bits, its own multi-head attention with 16 bits": (held("deepseek-v2", 16), mha),
        "16 bits, Llama 3 70B with 16 bits": (held("deepseek-v2", 16), held(BIG, 16)),
    }
    return {name: (mine, other, saved(mine, other)) for name, (mine, other) in pairs.items()}


def latents() -> str:
    """Return the table of what the cache of DeepSeek-V2 saves, by what it is compared with."""
    rows = [[name, f"{mine:,}", f"{other:,}", f"{less:.1%}"] for name, (mine, other, less) in latent_sizes().items()]
    return table(["DeepSeek-V2 with, against", "bytes per token", "of the other", "less"], rows, right=(1, 2, 3))


def latent_times() -> str:
    """Return the table of decode steps with latent attention and of DeepSeek 67B."""
    rows = []
    for model, form in (("deepseek-67b", None), ("deepseek-v2", "absorbed"), ("deepseek-v2", "expanded")):
        keys = {} if form is None else {"workload__mla": form}
        result = run("pim-llm", model=model, **keys)
        reads = result.memory_traffic.kv_read_bytes
        label = model if form is None else f"{model}, {form}"
        rows.append([label, gib(reads), seconds(result.latency_s), joules(result.energy_j)])
    return table(["model", "reads of the cache", "time of a token", "energy"], rows, right=(1, 2, 3))


def tiers() -> str:
    """Return the table of memory tiers with the sources of their rates, and the read of the cache of the digest."""
    held = size(BIG, 128_000, 16).sequence_bytes
    rows = []
    for each in memory_tiers().values():
        source = each.sources["read_bytes_per_s"]
        rows.append(
            [
                each.part,
                gib(each.capacity_bytes),
                rate(each.read_bytes_per_s),
                seconds(each.access_latency_s),
                quantity(each.read_energy_j_per_bit * 8, "j") + "/B",
                seconds(each.read_s(held)),
                joules(each.read_j(held)),
                f"{source.source} [{source.confidence}]",
            ]
        )
    head = ["tier", "capacity", "reads", "latency", "energy", "39 GiB: time", "energy", "source of the rate"]
    return table(head, rows, right=range(1, 7))


@cache
def with_memory(machine: str, preset: str) -> tuple[float, float, float]:
    """Return time of a token at the long context, time of its attention, and energy, with another memory."""
    result = run(machine, tokens=LONG, memory=preset)
    return result.latency_s, attention_s(roofline(result)), result.energy_j


def memories() -> str:
    """Return the table of machines with another memory."""
    rows = []
    for machine in MACHINES:
        slow, fast = (with_memory(machine, preset) for preset in ("memory-lpddr5", "memory-hbm3"))
        cells = [seconds(slow[0]), joules(slow[2]), seconds(fast[0]), joules(fast[2])]
        rows.append([f"`{machine}`", *cells, times(slow[0] / fast[0]), times(slow[1] / fast[1])])
    head = ["machine", "LPDDR5: time", "energy", "HBM3: time", "energy", "faster", "attention alone"]
    return table(head, rows, right=range(1, 7))
