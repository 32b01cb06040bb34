"""Step trees: the work of a component for an op, as a tree of timed steps.

Components build these trees and the engine walks them; this is all that they know of each other. A `Step` is the
smallest unit of time (a fold, a conversion, a hop, a buffer access). `Copies` and `Identical` say how often a subtree
occurs, so that one representative is simulated for all. `expanded` replaces them by the full tree; the results must be
equal.
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
        "sram": "global buffer: traffic of the crossbar banks, and waits of other units for its port",
        "memory": "off-chip memory: KV cache, streamed weights",
        "kv_tiers": "tiers of the KV cache beside the off-chip memory",
        "programming": "SET and RESET pulses that write weights into ReRAM cells, where weights are swapped",
        "chip_link": "links between chips: activations on their way from one layer to the next",
        "vector": "nonlinear functional unit: softmax, norms, activations, residuals",
        "near_memory": "units in the memory: attention where the KV cache lies, with the transfers of its operands",
        "sram_cim": "compute-in-memory macros of SRAM: attention, and the writing of keys and values",
        "processor": "processor that computes every op of a machine",
        "controller": "issue of commands",
        "contention": "waiting for links, buffers and memory banks that others use; under the contended schedule only",
    }
)
"""Parts of the latency breakdown, with a description of each."""

PORT_EXCESS = "sram"
"""The part that contains the time by which the port of the global buffer ends later than the unit that streams."""

PORT = "port"
"""Name of the port of the global buffer in the statistics of a shared medium."""

WAITING = "contention"
"""The part that contains waiting inside shared media."""

Counts = tuple[tuple[str, int], ...]
"""Action counts: pairs of "component.action" and count."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The smallest timed unit of work, such as a fold, a conversion, a hop or a buffer access.

    Attributes:
        component: Name of the component.
        part: Part of the latency breakdown, a key of `PARTS`.
        label: Label on the timeline.
        duration_ps: Duration of one repetition, picoseconds.
        counts: Action counts of one repetition.
        repeat: Number of consecutive repetitions.
    """

    component: str
    part: str
    label: str
    duration_ps: int
    counts: Counts = ()
    repeat: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """Children that run one after another."""

    children: tuple[Work, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Parallel:
    """Children that start together; the node ends when its last child ends."""

    children: tuple[Work, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """`times` consecutive rounds of `body`, each of which is simulated."""

    body: Work
    times: int


@dataclass(frozen=True, slots=True, eq=False)
class Identical:
    """`times` consecutive identical rounds of `body`, for example heads; one round may be simulated for all."""

    body: Work
    times: int


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """`body` on `times` hardware units in lockstep, for example tiles; one unit may be simulated for all."""

    body: Work
    times: int


@dataclass(frozen=True, slots=True, eq=False)
class Streamed:
    """`body`, whose accesses need `port_ps` of the port of the global buffer; the node ends when both have ended.

    Attributes:
        body: Work of the unit that streams its operands or results.
        port_ps: Time of all its accesses on an idle port, picoseconds.
        component: Name of the unit, which is busy until the node ends.
    """

    body: Work
    port_ps: int
    component: str


Work = Step | Sequence | Parallel | Loop | Identical | Copies | Streamed

NOTHING = Sequence(())


def expanded(work: Work) -> Work:
    """Expand the parts of a tree that are simulated once for several.

    Args:
        work: Root of the tree.

    Returns:
        The same work with each `Identical` replaced by a `Loop`, and each `Copies` by a `Parallel` of copies.
    """
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
        case Streamed(body, port_ps, component):
            return Streamed(expanded(body), port_ps, component)


def _copied(work: Work) -> Work:
    """Return a copy with new `Step` objects, since each step object stands for one hardware unit."""
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
        case Streamed(body, port_ps, component):
            return Streamed(_copied(body), port_ps, component)


def steps(work: Work) -> Iterator[Step]:
    """Iterate over the steps of a tree.

    Args:
        work: The tree.

    Yields:
        Each step once, whatever the repetitions of the nodes above it.
    """
    match work:
        case Step():
            yield work
        case Sequence(children) | Parallel(children):
            for child in children:
                yield from steps(child)
        case Loop(body) | Identical(body) | Copies(body) | Streamed(body):
            yield from steps(body)


def action_counts(work: Work) -> Counter[str]:
    """Count the actions of a tree in closed form, without simulation.

    Args:
        work: The tree.

    Returns:
        Count by "component.action", all repetitions and copies included.
    """
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
        case Streamed(body):
            counts.update(action_counts(body))
    return counts


def duration_ps(work: Work) -> int:
    """Compute the duration of a tree on an idle machine, without simulation.

    Args:
        work: The tree.

    Returns:
        Picoseconds from its start to the end of its last step.
    """
    match work:
        case Step():
            return work.repeat * work.duration_ps
        case Sequence(children):
            return sum(duration_ps(child) for child in children)
        case Parallel(children):
            return max((duration_ps(child) for child in children), default=0)
        case Loop(body, times) | Identical(body, times):
            return times * duration_ps(body)
        case Copies(body):
            return duration_ps(body)
        case Streamed(body, port_ps):
            return max(duration_ps(body), port_ps)


def event_count(work: Work) -> int:
    """Compute an upper bound on the simulation events of a tree.

    Args:
        work: Root of the tree.

    Returns:
        Number of events, where identical rounds and copies count once.
    """
    match work:
        case Step():
            return work.repeat
        case Sequence(children) | Parallel(children):
            return sum(event_count(child) for child in children)
        case Loop(body, times):
            return times * event_count(body)
        case Identical(body) | Copies(body):
            return event_count(body)
        case Streamed(body):
            return event_count(body) + 1
