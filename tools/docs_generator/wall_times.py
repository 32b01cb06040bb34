"""Tables of docs/memory-wall.md from whole runs: rooflines, stored caches, splits, recomputation, on-chip memory."""

from __future__ import annotations

from functools import cache

from pimsim import roofline
from pimsim.studies.memory_wall.machine_roofs import label_of
from tools.docs_generator.facts import table
from tools.docs_generator.wall_runs import (
    CONTEXT,
    LONG,
    MACHINES,
    MODEL,
    attention_s,
    gib,
    joules,
    layers,
    loaded,
    point,
    quantity,
    rate,
    roofs,
    run,
    seconds,
    size,
    tier,
    times,
)
from workloads.models import find_model

CLASSES = ("attention scores", "attention values", "projections", "LM head")
CASES = (("decode", 1), ("decode", 16), ("prefill", 1))


def bounds() -> str:
    """Return the table of what bounds each class of ops on each machine."""
    rows = []
    for phase, batch in CASES:
        for name in (*CLASSES, "whole run"):
            cells = []
            for machine in MACHINES:
                line = roofs(machine, phase, CONTEXT, batch)
                found = line.whole if name == "whole run" else point(line, name)
                bound, per_byte = found.bound, found.intensity("memory")
                assert bound is not None
                share = found.bound_share or 0.0
                cells += [
                    "no bytes" if per_byte is None else f"{per_byte:,.3g}" if per_byte < 1000 else f"{per_byte:,.0f}",
                    f"{label_of(bound.resource)} ({share:.0%})",
                ]
            rows.append([phase, batch, name, *cells])
    head = [title for name in MACHINES for title in (f"`{name}`: op/B", "bound by (of time)")]
    return table(["pass", "batch", "ops", *head], rows, right=(1, 3, 5, 7))


STORES = ("ddr5", "cxl", "ssd")
PROMPTS = ((MODEL, 1024), (MODEL, 8192), ("llama-3-70b", 8192))
LOADERS = ("pim-llm", "tpu-hbm")
CLAIMED_SPEEDUP = 19
"""Time to first token with a stored cache in place of a prefill, as the digest claims of Dell."""


@cache
def first_token(machine: str, model: str, tokens: int) -> tuple[float, float, int]:
    """Return the time of a prefill, that of its last token with a loaded cache, and bytes of the cache."""
    whole = run(machine, "prefill", tokens, model).latency_s
    return whole, run(machine, "decode", tokens, model).latency_s, size(model, tokens).sequence_bytes


def speedup(machine: str, model: str, tokens: int, store: str) -> float:
    """Return how much sooner the first token is there if the cache is loaded, docs/memory-wall.md, eq. (2)."""
    whole, last, held = first_token(machine, model, tokens)
    return whole / (tier(store).read_s(held) + last)


@cache
def simulated_speedup(machine: str, model: str, tokens: int) -> float:
    """Return how much sooner the first token is there if a run loads the cache from an SSD (docs/kv-tiers.md)."""
    tiers = ({"preset": "memory"}, {"preset": "ssd"})
    return first_token(machine, model, tokens)[0] / loaded(machine, model, tokens, tiers).latency_s


def break_even(machine: str, model: str, tokens: int) -> float:
    """Return the bandwidth from which loading is faster than a prefill, bytes per second."""
    whole, last, held = first_token(machine, model, tokens)
    return held / (whole - last)


def stored() -> str:
    """Return the table of stored caches: time to first token by tier."""
    rows = []
    for machine in LOADERS:
        for model, tokens in PROMPTS:
            whole, last, held = first_token(machine, model, tokens)
            gains = (times(speedup(machine, model, tokens, name)) for name in STORES)
            head = [f"`{machine}`", model, f"{tokens:,}", gib(held), seconds(whole), seconds(last)]
            simulated = times(simulated_speedup(machine, model, tokens))
            rows.append([*head, *gains, simulated, rate(break_even(machine, model, tokens))])
    head = ["machine", "model", "prompt", "cache", "prefill", "last token", *(f"faster from {name}" for name in STORES)]
    return table([*head, "ssd, simulated", "pays from"], rows, right=range(2, 11))


SPLIT_MODELS = (MODEL, "bitnet-b1.58-2b-4t")
SLOW, FAST = "pim-llm", "tpu-hbm"


@cache
def phases_of(model: str, machine: str) -> tuple[float, float, float, float]:
    """Return time of a prefill and of a token, and the energies of both."""
    first, then = run(machine, "prefill", CONTEXT, model), run(machine, "decode", CONTEXT, model)
    return first.latency_s, then.latency_s, first.energy_j, then.energy_j


def phase_bandwidth(model: str) -> float:
    """Return the bandwidth from which a prefill on the fast machine pays, docs/memory-wall.md, eq. (3)."""
    held = size(model, CONTEXT).sequence_bytes
    return held / (phases_of(model, SLOW)[0] - phases_of(model, FAST)[0])


def phases() -> str:
    """Return the table of prefill and decode on two machines, and the bandwidth from which a split pays."""
    rows = []
    for model in SPLIT_MODELS:
        for machine in (SLOW, FAST):
            first, then, first_j, then_j = phases_of(model, machine)
            rows.append([model, f"`{machine}`", seconds(first), joules(first_j), seconds(then), joules(then_j), ""])
        first, held = phases_of(model, FAST)[0], size(model, CONTEXT).sequence_bytes
        then, then_j = phases_of(model, SLOW)[1], phases_of(model, SLOW)[3]
        moved = first + held / 64e9
        energy = joules(phases_of(model, FAST)[2])
        split = f"prefill on `{FAST}`, decode on `{SLOW}`"
        rows.append([model, split, seconds(moved), energy, seconds(then), joules(then_j), rate(phase_bandwidth(model))])
    head = ["model", "machine", "first token", "energy", "each further token", "energy", "faster than `pim-llm` from"]
    return table(head, rows, right=range(2, 7))


@cache
def sublayer(model: str) -> tuple[float, float, float, int]:
    """Return for a token: time of one machine, of attention there and on the other, and bytes between them."""
    alone = roofline(run(SLOW, "decode", CONTEXT, model))
    other = attention_s(roofline(run(FAST, "decode", CONTEXT, model)))
    spec = find_model(model)
    # Queries, keys and values to the machine with the cache, outputs back: one byte each, once per layer.
    between = spec.layers * (2 * spec.d_query + 2 * spec.d_kv)
    return alone.latency_s, attention_s(alone), other, between


LINK_LATENCY_S = 500e-9
"""One hop between two processors; an assumption."""


def sublayer_bandwidth(model: str) -> float:
    """Return the bandwidth from which attention elsewhere pays, docs/memory-wall.md, eq. (4); negative: never."""
    _, here, there, between = sublayer(model)
    return between / (here - there - 2 * layers(model) * LINK_LATENCY_S)


def sublayers() -> str:
    """Return the table of attention on one machine and all other ops on another one."""
    rows = []
    for model in SPLIT_MODELS:
        alone, here, there, between = sublayer(model)
        limit = alone - here + there + 2 * layers(model) * LINK_LATENCY_S
        cells = [seconds(alone), seconds(here), seconds(there), f"{between:,}", seconds(limit)]
        rows.append([model, *cells, times(alone / limit), rate(sublayer_bandwidth(model))])
    head = ["model", f"token on `{SLOW}`", "its attention", f"on `{FAST}`", "bytes between", "split, infinite link"]
    return table([*head, "faster", "pays from"], rows, right=range(1, 8))


RECOMPUTED = ("opt-6.7b", MODEL)


@cache
def recomputation(machine: str, model: str) -> tuple[int, int, float]:
    """Return bytes of keys and values of a token and layer, of the layer's input, and seconds to compute them again."""
    spec, tokens = find_model(model), 512
    held = round(size(model, 1).bytes_per_token / spec.layers)
    rows = run(machine, "prefill", tokens, model, schedule="serial").by_op()
    again = sum(row["time_s"] for row in rows if row["op"] in ("k_proj", "v_proj")) / tokens / spec.layers
    return held, spec.d_model + 4, again  # codes of 8 bits, and a step of 4 bytes


def recompute_bandwidth(machine: str, model: str) -> float:
    """Return the bandwidth below which recomputing pays, docs/memory-wall.md, eq. (5); negative: never."""
    held, inputs, again = recomputation(machine, model)
    return (held - inputs) / again


def recompute() -> str:
    """Return the table of recomputation of keys and values from the inputs of layers."""
    rows = []
    for machine in MACHINES:
        for model in RECOMPUTED:
            held, inputs, again = recomputation(machine, model)
            below = recompute_bandwidth(machine, model)
            pays = rate(below) if below > 0 else "never"
            rows.append([f"`{machine}`", model, f"{held:,}", f"{inputs:,}", seconds(again), pays])
    head = ["machine", "model", "key and value", "input of the layer", "computed again in", "pays below"]
    return table(head, rows, right=range(2, 6))


@cache
def overlap(machine: str, tokens: int) -> tuple[float, float, float]:
    """Return a decode step under the serial and the dataflow schedule, and without any attention."""
    serial = run(machine, tokens=tokens, schedule="serial")
    ahead = run(machine, tokens=tokens, schedule="dataflow").latency_s
    return serial.latency_s, ahead, serial.latency_s - attention_s(roofline(serial))


def prefetch() -> str:
    """Return the table of transfers that overlap with computing, and the limit of any faster attention."""
    rows = []
    for machine in MACHINES:
        for tokens in (CONTEXT, LONG):
            serial, ahead, without = overlap(machine, tokens)
            cells = [seconds(serial), seconds(ahead), times(serial / ahead), seconds(without), times(serial / without)]
            rows.append([f"`{machine}`", f"{tokens:,}", *cells])
    head = ["machine", "context", "serial", "dataflow", "faster", "serial without attention", "faster at most"]
    return table(head, rows, right=range(1, 7))


NEAR: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("on the systolic array, LPDDR5", "pim-llm", {}),
    ("on the systolic array, HBM3", "pim-llm-near-memory", {"mapping__attention": "systolic"}),
    ("at the banks of HBM3", "pim-llm-near-memory", {}),
    ("in SRAM macros (8 MiB), LPDDR5", "pim-llm-sram-attention", {}),
)
"""Places of attention, with the config and the key that choose them (docs/near-memory.md)."""


@cache
def near(index: int) -> tuple[float, float, float]:
    """Return time and energy of a token, and bytes of the cache that leave the memory, with attention at a place."""
    _, config, keys = NEAR[index]
    result = run(config, tokens=LONG, **keys)
    return result.latency_s, result.energy_j, result.memory_traffic.kv_read_bytes


def places() -> str:
    """Return the table of places of attention on `pim-llm`."""
    rows = []
    for index, (name, _, _) in enumerate(NEAR):
        time_s, energy_j, moved = near(index)
        rows.append([name, seconds(time_s), times(near(0)[0] / time_s), joules(energy_j), gib(moved)])
    return table(["attention", "time of a token", "faster", "energy", "cache that is moved"], rows, right=range(1, 5))


ON_CHIP = 8 * 2**20


def spilled(machine: str, capacity: int | None = None) -> tuple[float, float]:
    """Return time and energy of activations beyond the global buffer in a prefill.

    Args:
        machine: Name of the machine.
        capacity: Bytes of the buffer; None means that of the machine.

    Returns:
        Seconds, and joules.
    """
    keys = {} if capacity is None else {"machine__sram__capacity_bytes": capacity}
    left_out = run(machine, "prefill", CONTEXT, **keys).accounting.left_out
    found = [each for each in left_out if each.name == "activations beyond the global buffer"]
    return sum(each.latency_ps for each in found) * 1e-12, sum(each.energy_j for each in found)


@cache
def on_chip(machine: str) -> dict[str, tuple[float, float, float, float]]:
    """Return for each use of 8 MiB more: bytes, seconds and joules that it saves at most, and the time of the pass."""
    memory = run(machine).config.machine.memory
    assert memory is not None
    bandwidth = memory.channels * memory.channel_bandwidth_bytes_per_s
    step, prompt = run(machine), run(machine, "prefill", CONTEXT)
    buffer = step.config.machine.sram.capacity_bytes
    (before_s, before_j), (after_s, after_j) = spilled(machine), spilled(machine, buffer + ON_CHIP)
    read = (ON_CHIP, ON_CHIP / bandwidth, 8 * ON_CHIP * memory.read_energy_j_per_bit, step.latency_s)
    held, weights = step.memory_traffic.kv_read_bytes, step.memory_traffic.weight_read_bytes
    assert min(held, weights) >= ON_CHIP, "otherwise 8 MiB save less"
    moved = (before_s - after_s) * bandwidth
    return {
        "KV cache, per token": read,
        "weights, per step of any batch": read,
        "activations, per prompt": (moved, before_s - after_s, before_j - after_j, prompt.latency_s),
    }


def uses() -> str:
    """Return the table of uses of 8 MiB more of on-chip memory."""
    rows = []
    for machine in MACHINES:
        for name, (moved, saved_s, saved_j, pass_s) in on_chip(machine).items():
            cells = [quantity(moved, "bytes"), seconds(saved_s), joules(saved_j), seconds(pass_s)]
            rows.append([f"`{machine}`", name, *cells, f"{saved_s / pass_s:.2%}"])
    head = ["machine", "8 MiB for", "bytes saved", "time, at most", "energy", "time of the pass", "of it"]
    return table(head, rows, right=range(2, 7))
