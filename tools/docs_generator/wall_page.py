"""Generated parts of docs/memory-wall.md: verdicts on the claims from computed numbers, and the tables behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from crossbar.intervals import Interval
from pimsim.studies.accuracy.paired_ratio import cost_text, costs_less
from tools.docs_generator import kv_front, wall_sizes, wall_systems, wall_times
from tools.docs_generator.facts import table
from tools.docs_generator.wall_runs import (
    CONTEXT,
    DIRECTION,
    FAILS,
    HOLDS,
    LONG,
    MACHINES,
    point,
    rate,
    ridge,
    roofs,
    size,
    tier,
    times,
)

Verdict = tuple[str, str, str]
"""Claim with a link to its section, computed numbers, and verdict."""

SLOW, FAST = wall_times.SLOW, wall_times.FAST
SAME = 0.05
"""Smallest relative gain of time that counts as one."""


def judged(parts: Iterable[bool], *, else_: str = FAILS) -> str:
    """Return "holds" if a claim holds in all cases, "direction only" in some, and `else_` in none."""
    found = list(parts)
    return HOLDS if all(found) else DIRECTION if any(found) else else_


def bottleneck() -> Verdict:
    """Judge whether memory is the bottleneck, and since when under the claimed rates."""
    crossed = {name: wall_sizes.years(wall_sizes.intensity(name, "decode", 1), name) for name in MACHINES}
    sides = {name: "before" if year <= 0 else "after" for name, year in crossed.items()}
    when = ", ".join(f"{abs(year):.1f} years {sides[name]} `{name}`" for name, year in crossed.items())
    claim = "[compute x3 in two years, bandwidth x1.6: memory is the bottleneck](#rates)"
    computed = f"the ridge point reaches the intensity of a decode step {when}"
    return claim, computed, judged(year <= 0 for year in crossed.values())


def digest_size() -> Verdict:
    """Judge the 39 GB of Llama 3 70B."""
    held = {tokens: size(wall_sizes.BIG, tokens, 16).sequence_bytes for tokens in (128_000, 131_072)}
    text = "; ".join(f"{each / 2**30:.2f} GiB = {each / 1e9:.1f} GB at {tokens:,}" for tokens, each in held.items())
    verdict = judged([round(held[128_000] / 2**30) == 39])
    assumption = ": 128,000 tokens, 16 bits, GB as 2^30 bytes"
    return "[KV cache of Llama 3 70B at 128K tokens: 39 GB](#sizes)", text, verdict + assumption


def fewer_bits() -> Verdict:
    """Judge quantisation of the cache: bytes, and the time of a token."""
    ratios = [wall_sizes.with_format("pim-llm", index)[0] / wall_sizes.with_format("pim-llm", 0)[0] for index in (1, 2)]
    gains = {name: _gain(wall_sizes.with_format, name, 1, 2) for name in MACHINES}
    text = (
        f"{ratios[0]:.1%} and {ratios[1]:.1%} of the bytes, scales included; a token from 8 to 4 bits: {_list(gains)}"
    )
    verdict = f"bytes {judged(ratio < 1 for ratio in ratios)}, time: {judged(_faster(gains))}"
    return "[8 or 4 bits in place of 16 shrink the cache](#bits)", text, verdict


def _gain(pass_of: Callable[[str, int], tuple[int, float, float]], machine: str, before: int, after: int) -> float:
    return pass_of(machine, before)[1] / pass_of(machine, after)[1]


def _list(gains: Mapping[str, float]) -> str:
    return ", ".join(f"{times(gain)} on `{name}`" for name, gain in gains.items())


def _faster(gains: Mapping[str, float]) -> list[bool]:
    return [gain > 1 + SAME for gain in gains.values()]


def half_the_tokens() -> Verdict:
    """Judge policies that keep half of the tokens."""
    held = [wall_sizes.with_policy("pim-llm", index)[0] for index in range(len(wall_sizes.HALF))]
    gains = {name: _gain(wall_sizes.with_policy, name, 0, 1) for name in MACHINES}
    worst = max(wall_sizes.perplexity_change(name) for name in wall_sizes.QUALITY)
    costs = ", ".join(f"{line} {cost_text(each)}" for line, each in half_of_smollm2().items())
    text = (
        f"half of {LONG:,} tokens leaves {held[1] / held[0]:.1%} of the bytes, {held[3] / held[0]:.1%} with the sums "
        f"of heavy hitters; a token: {_list(gains)}; `kjv-bitnet` at most {worst:+.2%} perplexity; "
        f"[SmolLM2-135M](#a-real-model-smollm2-135m), half of {kv_front.TOKENS:,} tokens: {costs}"
    )
    halved = judged(each / held[0] < 0.51 for each in held[1:])
    close = judged(costs_less(each, SAME) is True for each in half_of_smollm2().values())
    verdict = f"bytes: {halved}; time: {judged(_faster(gains))}; perplexity of the LLM, less than {SAME:.0%}: {close}"
    return "[pruning (FastGen) saves 50 %](#dropped-tokens)", text, verdict


def half_of_smollm2() -> Mapping[str, Interval]:
    """Return the ratios of perplexities of SmolLM2-135M with half of its tokens and with all of them, by policy."""
    full: kv_front.Key = ("bits", "per token", "8")
    half = str(kv_front.TOKENS // 2)
    policies = ("sinks and newest tokens", "heavy hitters", "random tokens")
    return {line: kv_front.ratio(("budget", line, half), full) for line in policies}


def stored_cache() -> Verdict:
    """Judge the time to first token with a stored cache."""
    gains = {
        (machine, model, tokens, store): wall_times.speedup(machine, model, tokens, store)
        for machine in wall_times.LOADERS
        for model, tokens in wall_times.PROMPTS
        for store in wall_times.STORES
    }
    runs = [
        wall_times.simulated_speedup(name, model, tokens)
        for name in wall_times.LOADERS
        for model, tokens in wall_times.PROMPTS
    ]
    of_fast = [gain for (machine, *_), gain in gains.items() if machine == FAST]
    text = (
        f"{times(min(of_fast))} to {times(max(of_fast))} on `{FAST}`, up to {times(max(gains.values()))} on `{SLOW}`, "
        f"which is slow at prefills; simulated, from an SSD: {times(min(runs))} to {times(max(runs))}"
    )
    verdict = judged(gain >= wall_times.CLAIMED_SPEEDUP for gain in gains.values())
    return (
        "[a stored cache: 19 times sooner to the first token (Dell)](#stored-caches)",
        text,
        f"{verdict}: the factor depends on machine and prompt",
    )


def latent() -> Verdict:
    """Judge the reduction by latent attention."""
    saved = {name: less for name, (_, _, less) in wall_sizes.latent_sizes().items()}
    equal, six, mha, _ = saved.values()
    text = f"{equal:.1%} against DeepSeek 67B at equal bits, {six:.1%} with 6 bits, {mha:.1%} against its own heads"
    verdict = judged([round(100 * equal) >= 93, round(100 * six) >= 93, round(100 * mha) >= 93])
    return "[MLA: up to 93 % less](#latent-attention)", text, f"{verdict}: 93.3 % contains 6 bits in place of 16"


def high_bandwidth() -> Verdict:
    """Judge memories of high bandwidth."""
    gains = {
        name: wall_sizes.with_memory(name, "memory-lpddr5")[0] / wall_sizes.with_memory(name, "memory-hbm3")[0]
        for name in MACHINES
    }
    text = f"HBM3 in place of LPDDR5: {_list(gains)} at {LONG:,} tokens"
    return "[HBM and CXL relieve the bottleneck](#tiers)", text, judged(_faster(gains))


def phases_bound() -> Verdict:
    """Judge that prefill is bound by compute and decode by memory."""
    sides = []
    for name in MACHINES:
        sides += [wall_sizes.intensity(name, "decode", 1) < ridge(name) < wall_sizes.intensity(name, "prefill", 1)]
    bound = {name: roofs(name).whole.bound for name in MACHINES}
    by_memory = [found is not None and found.resource == "memory" for found in bound.values()]
    text = (
        f"by intensity on {sum(sides)} of {len(sides)} machines; what works longest in a decode step is the memory on "
        f"{sum(by_memory)} of {len(by_memory)}"
    )
    return "[prefill is compute-bound, decode memory-bound](#rooflines)", text, judged([*sides, *by_memory])


def sublayers_bound() -> Verdict:
    """Judge that, in a decode step, attention is bound by memory and the FFN by compute."""
    cases = []
    for name in MACHINES:
        for batch in (1, 16):
            line = roofs(name, "decode", CONTEXT, batch)
            scores = point(line, "attention scores").intensity("memory") or 0.0
            weights = point(line, "projections").intensity("memory")
            cases.append((scores < ridge(name), weights is None or weights >= ridge(name)))
    attention, ffn = ([each[index] for each in cases] for index in (0, 1))
    text = (
        f"attention is below the ridge point in {sum(attention)} of {len(cases)} cases (3 machines, batches of 1 "
        f"and 16), projections above it, or without bytes, in {sum(ffn)}"
    )
    return (
        "[in a decode step, attention is memory-bound and the FFN compute-bound](#rooflines)",
        text,
        judged(attention + ffn),
    )


def _split(split: str) -> tuple[str, str]:
    """Return the numbers and the verdict of a split: against both machines alone, in time and in energy."""
    faster, cheaper, text = [], [], []
    for model in wall_systems.MODELS:
        found = wall_systems.compared(split, model)
        both = found.pop("both")
        faster += [both[0] < alone[0] for alone in found.values()]
        cheaper += [both[1] < alone[1] for alone in found.values()]
        ratios = ", ".join(
            f"{times(alone[0] / both[0])} as fast as `{name}` with {both[1] / alone[1]:.0%} of its energy"
            for name, alone in found.items()
        )
        text.append(f"{model}: {ratios}")
    return "; ".join(text), f"time: {judged(faster)}; energy: {judged(cheaper)}"


def phase_split() -> Verdict:
    """Judge prefill and decode on different machines."""
    return "[phase splitting](#splitting)", *_split("phases")


def sublayer_split() -> Verdict:
    """Judge attention on another machine than the projections."""
    return "[sublayer splitting](#splitting)", *_split("attention")


def recomputation() -> Verdict:
    """Judge recomputation of keys and values."""
    below = {
        (name, model): wall_times.recompute_bandwidth(name, model)
        for name in MACHINES
        for model in wall_times.RECOMPUTED
    }
    slowest = tier("ssd").read_bytes_per_s
    rates = ", ".join(f"{rate(below[name, 'opt-6.7b'])} on `{name}`" for name in MACHINES)
    text = (
        f"opt-6.7b (multi-head): pays below {rates}; an SSD reads {rate(slowest)}; {wall_times.RECOMPUTED[1]} (grouped "
        "queries): never, the input is larger"
    )
    return (
        "[recomputation trades time for memory](#recomputation)",
        text,
        judged(value > slowest for value in below.values()),
    )


def prefetched() -> Verdict:
    """Judge prefetching."""
    gains = {name: _overlap_gain(name) for name in MACHINES}
    text = f"loads under compute (dataflow schedule), {CONTEXT:,} tokens: {_list(gains)}"
    return "[prefetching](#prefetching-and-locality)", text, judged(_faster(gains))


def _overlap_gain(machine: str) -> float:
    serial, ahead, _ = wall_times.overlap(machine, CONTEXT)
    return serial / ahead


def in_memory() -> Verdict:
    """Judge attention in or near memory, and the limit of any faster attention."""
    limits = {}
    for name in MACHINES:
        serial, _, without = wall_times.overlap(name, LONG)
        limits[name] = serial / without
    gains = {wall_times.NEAR[index][0]: wall_times.near(0)[0] / wall_times.near(index)[0] for index in (2, 3)}
    places = ", ".join(f"{name}: {times(gain)}" for name, gain in gains.items())
    text = f"attention {places} on `pim-llm` at {LONG:,} tokens; attention in no time, the upper limit: {_list(limits)}"
    return "[compute in or near memory](#attention-near-memory)", text, judged(_faster(gains))


def eight_mib() -> Verdict:
    """Judge the best use of 8 MiB on the chip."""
    shares, ratio = [], 0.0
    for name in MACHINES:
        found = wall_times.on_chip(name)
        shares += [saved / whole for _, saved, _, whole in found.values()]
        ratio = found["activations, per prompt"][0] / found["KV cache, per token"][0]
    text = (
        f"KV cache and weights save the same 8 MiB per step; activations of a prompt of {CONTEXT:,} tokens save "
        f"{ratio:.0f} times as much, once; each at most {max(shares):.2%} of the time of its pass"
    )
    verdict = judged(share > SAME for share in shares)
    return "[data locality: 8 MiB on the chip](#what-8-mib-on-the-chip-are-best-used-for)", text, verdict


CLAIMS: tuple[Callable[[], Verdict], ...] = (
    bottleneck,
    digest_size,
    fewer_bits,
    half_the_tokens,
    stored_cache,
    latent,
    high_bandwidth,
    phases_bound,
    sublayers_bound,
    phase_split,
    sublayer_split,
    recomputation,
    prefetched,
    in_memory,
    eight_mib,
)


def verdicts() -> str:
    """Return the table of claims."""
    return table(["claim", "computed", "verdict"], [claim() for claim in CLAIMS])


SECTIONS: Mapping[str, Callable[[], str]] = {
    "wall-verdicts": verdicts,
    "wall-rates": wall_sizes.rates,
    "wall-sizes": wall_sizes.sizes,
    "wall-formats": wall_sizes.formats,
    "wall-pruning": wall_sizes.pruning,
    "wall-stored": wall_times.stored,
    "wall-latents": wall_sizes.latents,
    "wall-latent-times": wall_sizes.latent_times,
    "wall-tiers": wall_sizes.tiers,
    "wall-memories": wall_sizes.memories,
    "wall-bounds": wall_times.bounds,
    "wall-phases": wall_times.phases,
    "wall-sublayers": wall_times.sublayers,
    "wall-systems": wall_systems.systems,
    "wall-recompute": wall_times.recompute,
    "wall-prefetch": wall_times.prefetch,
    "wall-near": wall_times.places,
    "wall-uses": wall_times.uses,
}

LONGEST = (
    "wall-verdicts",
    "wall-stored",
    "wall-phases",
    "wall-sublayers",
    "wall-systems",
    "wall-prefetch",
    "wall-uses",
)
"""Parts that need the passes over prompts, or all tables."""
