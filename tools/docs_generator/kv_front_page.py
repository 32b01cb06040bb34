"""Generated parts of docs/memory-wall.md about the caches of SmolLM2-135M: a table, and findings as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pimsim.studies.accuracy.paired_ratio import LIMIT, cost_text, costs_less
from tools.docs_generator.facts import table
from tools.docs_generator.kv_front import (
    BASE,
    FLOATS,
    TOKENS,
    Cache,
    Key,
    byte_front,
    caches,
    energy_front,
    ratio,
    starts,
    timed,
)
from tools.docs_generator.wall_runs import gib, times

EIGHT: Key = ("bits", "per token", "8")
FORMATS = ("per token", "per group", "KIVI")
POLICIES = ("sinks and newest tokens", "heavy hitters", "random tokens", "newest tokens")
PERCENT = f"{100 * LIMIT:g} %"
NAMES = {"KIVI": "as KIVI", "float16": "float16"}


def front() -> str:
    """Return the table of all caches, with the fronts."""
    rows = []
    for key, each in timed().items():
        marks = [name for name, found in (("bytes", byte_front()), ("tokens/J", energy_front())) if key in found]
        change = "" if key == BASE else cost_text(ratio(key))
        cells = [gib(each.held_bytes), f"{each.held_bytes / caches()[BASE].held_bytes:.1%}"]
        cells += [f"{each.perplexity(starts()):,.3f}", change]
        cells += [f"{each.step.tokens_per_s:.4g}", f"{each.step.tokens_per_j:.4g}", ", ".join(marks)]
        rows.append([named(key), *cells])
    head = ["cache", "bytes", "of float16", "perplexity", "change, 95 %", "tokens/s", "tokens/J", "on the front of"]
    return table(head, rows, right=range(1, 7))


def named(key: Key) -> str:
    """Return the name of a cache in table and picture."""
    group, line, value = key
    if group == "bits":
        return line if line == "float16" else f"{value} bits {NAMES.get(line, line)}"
    if group == "budget":
        return f"{value} tokens ({line})"
    budget, _, number = value.partition(", ")
    policy, _, form = line.partition(", ")
    return f"{budget} ({policy}) in {number} {NAMES.get(form, form)}"


def about() -> str:
    """Return what was evaluated."""
    count, blocks = len(starts()), sum(len(each) for each in caches()[BASE].nats.values())
    blocks = blocks // len(caches()[BASE].nats) * count
    windows = "one window" if count == 1 else f"{count} windows"
    base = caches()[BASE].perplexity(starts())
    exact = f", and {caches()[FLOATS].perplexity(starts()):.3f} with floats and a float32 cache" if _has(FLOATS) else ""
    return (
        f"{windows.capitalize()} of {TOKENS:,} tokens. The perplexity is {base:.3f} with a float16 cache{exact}. The "
        f"intervals are over {blocks} blocks of {TOKENS * count // blocks} consecutive tokens."
    )


def findings() -> str:
    """Return the findings as sentences with the numbers of the file."""
    return "\n".join(f"- {text}" for text in (_about_bits(), _about_budgets(), *_about_sinks(), _about_fronts()))


def _has(key: Key) -> bool:
    return key in caches()


def _about_bits() -> str:
    """Say what each number of bits costs by format, and which formats cost less than the limit."""
    found = [key for key in caches() if key[0] == "bits" and key != BASE]
    parts = []
    for number in dict.fromkeys(key[2] for key in found):
        each = (f"{NAMES.get(key[1], key[1])} {cost_text(ratio(key))}" for key in found if key[2] == number)
        parts.append(f"{number} bits {', '.join(each)}")
    kept = [named(key) for key in found if costs_less(ratio(key)) is True]
    close = f"The whole interval is below {PERCENT} for {_joined(kept)}." if kept else ""
    none = f"No format costs less than {PERCENT} with its whole interval."
    return f"**Bits.** Change of the perplexity against float16: {'; '.join(parts)}. {close or none}"


def _about_budgets() -> str:
    """Say what each policy costs by budget, against the same cache with all tokens."""
    parts = []
    for budget in _budgets():
        known = [key for key in (("budget", line, budget) for line in POLICIES) if _has(key)]
        parts.append(f"{budget} tokens: " + ", ".join(f"{key[1]} {cost_text(ratio(key, EIGHT))}" for key in known))
    return f"**Budgets.** Change against all {TOKENS:,} tokens in 8 bits with {'; '.join(parts)}."


def _budgets() -> list[str]:
    return list(dict.fromkeys(key[2] for key in caches() if key[0] == "budget"))


def _about_sinks() -> Iterator[str]:
    """Say which policy is best at each budget, and what the sinks are worth."""
    best = []
    for budget in _budgets():
        found = {line: ratio(("budget", line, budget)).mean for line in POLICIES if _has(("budget", line, budget))}
        if len(found) > 1:
            best.append(f"{budget} tokens: {min(found, key=found.__getitem__)}")
    if best:
        yield f"**Policies.** The lowest perplexity of those evaluated with each budget: {'; '.join(best)}."
    worth = []
    for budget in _budgets():
        with_sinks, without = (("budget", line, budget) for line in (POLICIES[0], POLICIES[-1]))
        if _has(with_sinks) and _has(without):
            worth.append(f"{ratio(without, with_sinks).mean:.3g} at {budget}")
    if worth:
        factors = ", ".join(worth)
        yield f"**Sinks.** Newest tokens alone have a higher perplexity than with 4 sinks, by factors of {factors}."


def _about_fronts() -> str:
    """Say how far the fronts lead at less than the limit, and which gains cost nothing."""
    base = caches()[BASE]
    near = {key: each for key, each in timed().items() if key != BASE and costs_less(ratio(key)) is True}
    fronts = f"On the front of bytes are {_joined([named(key) for key in byte_front()])}"
    fronts += f"; on that of tokens/J {_joined([named(key) for key in energy_front()])}."
    if not near:
        return f"**Fronts.** {fronts} No cache costs less than {PERCENT} with its whole interval."
    small = min(near, key=lambda key: near[key].held_bytes)
    quick = max(near, key=lambda key: near[key].step.tokens_per_j)
    return (
        f"**Fronts.** {fronts} Among the caches whose whole interval is below {PERCENT}, the smallest is "
        f"{named(small)} with {near[small].held_bytes / base.held_bytes:.1%} of the bytes of float16 and "
        f"{_gain(near[small], base)}; the most tokens/J has {named(quick)} with {_gain(near[quick], base)}."
    )


def _gain(each: Cache, base: Cache) -> str:
    speed = times(each.step.tokens_per_s / base.step.tokens_per_s)
    return f"{times(each.step.tokens_per_j / base.step.tokens_per_j)} its tokens/J and {speed} its tokens/s"


def _joined(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


SECTIONS: Mapping[str, Callable[[], str]] = {
    "smollm2-about": about,
    "smollm2-caches": front,
    "smollm2-findings": findings,
}
