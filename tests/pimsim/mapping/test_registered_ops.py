"""What a registered mapping returns is checked before a run, the same under every schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import PluginError
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.vector import VectorShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.op_mappings import OP_KINDS, register_op
from pimsim.mapping.program import Assignment, Constraints, Resource
from pimsim.mapping.vector_ops import vector_op
from tests.support.outside_kinds import restored_kinds
from tests.support.outside_ops import TopK, route
from workloads.trace import Block, Trace

NUMBER: Any = 5
OPS = (TopK("first", ("input",), 1, 64, 8), TopK("route", ("first",), 1, 64, 8))


@pytest.fixture(autouse=True)
def _registered_for_one_test_only() -> Iterator[None]:
    with restored_kinds():
        yield


def run(mapping: Any, schedule: str) -> int:
    """Run two ops, the second of which `mapping` maps."""

    def mapped(layer: LayerMapping, op: TopK) -> Any:
        return route(layer, op) if op.name == "first" else mapping(layer, op)

    register_op(TopK, mapped)
    block = Block(name="router", repeat=1, ops=OPS)
    trace = Trace(model="router", phase="decode", context_length=1, tokens=1, blocks=(block,))
    return simulate(load_config("tpu-llm", [f"schedule={schedule}"]), trace).latency_ps


def good(layer: LayerMapping, op: TopK) -> list[Assignment]:
    return list(route(layer, op))


def with_constraints(layer: LayerMapping, op: TopK, **changed: Any) -> list[Assignment]:
    issue, work, *rest = good(layer, op)
    return [issue, replace(work, constraints=replace(work.constraints, **changed)), *rest]


def of(layer: LayerMapping, op: TopK, share: Any, component: Any = None) -> list[Assignment]:
    issue, work, *rest = good(layer, op)
    return [issue, replace(work, share=share, component=component or work.component), *rest]


WRONG = {
    "nothing": (lambda layer, op: None, "op 'route': returns null, not assignments"),
    "numbers": (lambda layer, op: [1], "returns 1 among its assignments, which is not an Assignment$"),
    "tuples": (lambda layer, op: [layer.issue(op.name)], "not an Assignment: `layer.issue` and others return several"),
    "twice": (lambda layer, op: good(layer, op) * 2, "returns two assignments with the name 'route.issue'"),
    "endless": (lambda layer, op: (good(layer, op)[0] for _ in count()), "two assignments with the name"),
    "name": (lambda layer, op: [replace(good(layer, op)[0], name=NUMBER)], "which has no text as its name"),
    "other name": (
        lambda layer, op: [replace(each, name=f"first{each.name[5:]}") for each in good(layer, op)],
        "another assignment or op of the block has the name 'first.issue'",
    ),
    "missing": (
        lambda layer, op: good(layer, op)[1:],
        r"'route\[0\]' waits for 'route.issue', but the block has no",
    ),
    "later": (
        lambda layer, op: good(layer, op)[::-1],
        r"'route.streamed' waits for 'route\[0\]', but the block has no",
    ),
    "after": (
        lambda layer, op: with_constraints(layer, op, after=("nosuch",)),
        "waits for 'nosuch', but the block has no",
    ),
    "text": (lambda layer, op: with_constraints(layer, op, after="first"), "`after` of .* is 'first', not a tuple"),
    "closes": (
        lambda layer, op: with_constraints(layer, op, closes=("first[0]",)),
        r"closes 'first\[0\]', but the block has no such assignment before it that opens a resource",
    ),
    "opens": (
        lambda layer, op: with_constraints(layer, op, opens=Resource("buffer")),
        r"'route\[0\]' opens 'buffer', but no assignment of the block closes 'route\[0\]'",
    ),
    "resource": (lambda layer, op: with_constraints(layer, op, resource="vector"), "is 'vector', not a Resource"),
    "component": (lambda layer, op: of(layer, op, None, object()), "is work of null; components of the machine: sys"),
    "negative": (
        lambda layer, op: of(layer, op, VectorShare("top-k", -1, 64)),
        "on the component 'vector' has a node Identical of -1 times in its work, not a whole number",
    ),
    "share": (lambda layer, op: of(layer, op, MemoryShare(8)), "raises AttributeError: 'MemoryShare' object"),
    **{
        f"{passes} passes": (
            lambda layer, op, passes=passes: vector_op(layer, op, "top-k", 1, 64, passes=passes),
            f"vector_op needs a whole number .* of at least 1 as passes, not {passes}",
        )
        for passes in (0, -1, 0.5)
    },
}


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
@pytest.mark.parametrize(("mapping", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_mapping_is_named(mapping: Any, message: str, schedule: str) -> None:
    with pytest.raises(PluginError, match=f"kind (of op )?'top_k'.*{message}"):
        run(mapping, schedule)


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_an_opened_resource_may_be_closed_by_the_op_itself(schedule: str) -> None:
    def opening(layer: LayerMapping, op: TopK) -> Iterator[Assignment]:
        issue, work, rest = good(layer, op)
        yield issue
        yield replace(work, constraints=replace(work.constraints, opens=Resource("buffer")))
        yield replace(rest, constraints=Constraints(rest.constraints.after, closes=(work.name,)))

    assert run(opening, schedule) > 0
    assert OP_KINDS.knows("top_k")
