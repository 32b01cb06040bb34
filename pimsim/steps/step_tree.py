"""What a component does for an op, as a tree of timed steps.

Components build these trees and the engine walks them; neither knows more of the other. A `Step` is the smallest
thing that takes time (a fold, a conversion, a hop, a buffer access). `Copies` and `Identical` say how often a part
of the tree happens alike, so that one representative can stand for all; `expanded` writes them out in full, and both
ways must give the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "systolic": "systolic array: every fold of every matmul, with its fill and drain",
        "crossbar": "read pulses of the ReRAM arrays",
        "dac": "word-line DACs",
        "adc": "column ADCs",
        "digital": "decoders, multiplexers, registers, shift-add and merge tree of PEs and tiles",
        "tile_buffer": "input buffers of PEs and output buffers of tiles",
        "communication": "mesh hops (merging at aggregators, transfer to the next layer), transfers inside tiles",
        "sram": "global buffer: activations on their way to and from the crossbar banks",
        "memory": "off-chip memory: KV cache, streamed weights",
        "programming": "SET and RESET pulses that write weights into ReRAM cells, where weights are swapped",
        "chip_link": "links between chips: activations on their way from one layer to the next",
        "vector": "nonlinear functional unit: softmax, norms, activations, residuals",
        "controller": "issue of commands",
        "contention": "waiting for links, buffers and memory banks that others use; under the contended schedule only",
    }
)
"""The parts of a latency breakdown, and what each contains."""

WAITING = "contention"
"""The part of time that is lost to others."""

Counts = tuple[tuple[str, int], ...]
"""Action counts: ("component.action", how often)."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Something that takes `duration_ps`, `repeat` times on end. `counts` are per repetition."""

    component: str
    part: str
    label: str
    duration_ps: int
    counts: Counts = ()
    repeat: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One child after another."""

    children: tuple[Work, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Parallel:
    """All children at once; ends when the last of them ends."""

    children: tuple[Work, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """`body` `times` times on end, every round stepped through."""

    body: Work
    times: int


@dataclass(frozen=True, slots=True, eq=False)
class Identical:
    """`body` `times` times on end, every round alike, so that one may be stepped through for all (heads, say)."""

    body: Work
    times: int


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """`body` on `times` pieces of hardware in lockstep, so that one may be stepped through for all (tiles, say)."""

    body: Work
    times: int


Work = Step | Sequence | Parallel | Loop | Identical | Copies

NOTHING = Sequence(())


def expanded(work: Work) -> Work:
    """The same work with every `Identical` round and every one of `Copies` written out."""
    match work:
        case Step():
            return work
        case Sequence(children):
            return Sequence(tuple(expanded(child) for child in children))
        case Parallel(children):
            return Parallel(tuple(expanded(child) for child in children))
        case Loop(body, times):
            return Loop(expanded(body), times)
        case Identical(body, times):
            return Loop(expanded(body), times)
        case Copies(body, times):
            return Parallel(tuple(expanded(_copied(body)) for _ in range(times)))


def _copied(work: Work) -> Work:
    """A copy whose steps are objects of their own: each stands for a piece of hardware of its own."""
    match work:
        case Step():
            return replace(work)
        case Sequence(children):
            return Sequence(tuple(_copied(child) for child in children))
        case Parallel(children):
            return Parallel(tuple(_copied(child) for child in children))
        case Loop(body, times):
            return Loop(_copied(body), times)
        case Identical(body, times):
            return Identical(_copied(body), times)
        case Copies(body, times):
            return Copies(_copied(body), times)


def steps(work: Work) -> Iterator[Step]:
    """Every step in the tree, each once however often it happens."""
    match work:
        case Step():
            yield work
        case Sequence(children) | Parallel(children):
            for child in children:
                yield from steps(child)
        case Loop(body) | Identical(body) | Copies(body):
            yield from steps(body)


def action_counts(work: Work) -> Counter[str]:
    """How often each action of the tree happens, without walking it."""
    counts: Counter[str] = Counter()
    match work:
        case Step():
            for action, count in work.counts:
                counts[action] += work.repeat * count
        case Sequence(children) | Parallel(children):
            for child in children:
                counts.update(action_counts(child))
        case Loop(body, times) | Identical(body, times) | Copies(body, times):
            counts.update({action: times * count for action, count in action_counts(body).items()})
    return counts


def event_count(work: Work) -> int:
    """Events that walking the tree takes, at most, without walking it."""
    match work:
        case Step():
            return work.repeat
        case Sequence(children) | Parallel(children):
            return sum(event_count(child) for child in children)
        case Loop(body, times):
            return times * event_count(body)
        case Identical(body) | Copies(body):
            return event_count(body)
