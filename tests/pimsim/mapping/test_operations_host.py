"""With a host, every op waits for the issue of its commands, not only for the request of the host."""

from __future__ import annotations

import pytest

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from workloads.ops import BLOCK_INPUT, Embedding, KVAppend, Norm, Op
from workloads.trace import Block, Trace

IN = (BLOCK_INPUT,)
HOST = "machine.host={request_interval_s: 1 us, queue_depth: 4, request_energy_j: 1 nJ}"


@pytest.mark.parametrize(
    "op",
    [
        Embedding("op", IN, vectors=3, elements=65, bits=4),
        KVAppend("op", IN, tokens=3, kv_heads=2, d_head=64, bits=4),
        Norm("op", IN, vectors=3, elements=65, norm="rmsnorm"),
    ],
    ids=lambda op: type(op).__name__,
)
@pytest.mark.parametrize("overrides", [["schedule=dataflow"], ["schedule=contended", "mapping.kv_write_entries=4"]])
def test_the_first_share_waits_for_the_issue(op: Op, overrides: list[str]) -> None:
    """The host sends a request, the controller issues after it, and the unit starts after the issue and the inputs."""
    config = load_config({}, [HOST, *overrides])
    block = Block(name="b", repeat=1, ops=(op,))
    trace = Trace(model="any", phase="decode", context_length=200, tokens=1, blocks=(block,))
    ((_, task),) = map_trace(config, build_machine(config.machine), trace).program.tasks()
    flow = {each.name: each.constraints.after for each in task.assignments}
    assert flow["op.request"] == ()
    assert flow["op.issue"] == ("op.request",)
    assert flow["op[0]"] == ("op.issue", *IN)
