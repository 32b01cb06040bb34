"""Requests, accesses and slices that the mappings of all ops share, worked out by hand.

The global buffer has one port of 64 bytes per 10 ns.
"""

from __future__ import annotations

import pytest

from pimsim.hardware.buffer import BufferShare, Sram
from pimsim.hardware.link import LinkShare
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.shared.port import Stream
from pimsim.mapping.occupancy import KV_PORT, KV_WRITES
from pimsim.mapping.operations import TO_NEXT_CHIP
from pimsim.mapping.program import Constraints, Resource
from tests.support.flows import after, flow, on, port, program
from workloads.ops import AttentionScores, Embedding, KVAppend, Norm, Projection

IN = ("input",)
HOST = "machine.host={request_interval_s: 1 us, queue_depth: 4, request_energy_j: 1 nJ}"
INTERFACES = "{activations_bytes_per_s: 1 GB/s, weights_bytes_per_s: 2 GB/s, results_bytes_per_s: 1 GB/s}"
APPEND = KVAppend("kv_append", IN, tokens=3, kv_heads=2, d_head=64, bits=8)
LOOKUP = Embedding("e", IN, vectors=3, elements=65, bits=8)
DIRECT = "kv_append[0]"


@pytest.mark.parametrize(
    ("schedule", "base", "banked"),
    [
        ("contended", "defaults", False),
        ("contended", "memory-lpddr5-timing", True),
        ("dataflow", "memory-lpddr5-timing", False),
        ("serial", "defaults", False),
    ],
)
def test_requests_queue_in_the_memory_model_where_there_is_one(schedule: str, base: str, banked: bool) -> None:
    """3 x 2 x 2 x 64 bytes are appended: 12 accesses of the buffer; 195 bytes are looked up: 4 accesses."""
    found = flow(APPEND, LOOKUP, base=base, settings=(f"schedule={schedule}",))
    medium, resource = (Resource("memory"), None) if banked else (None, Resource("memory"))
    needs = ("kv_append.issue", *IN)
    assert found[DIRECT].share == MemoryShare(768, write=True)
    assert found[DIRECT].constraints == Constraints(needs, resource, medium=medium)
    assert port(found[DIRECT]) == (120_000, 768)
    assert found["kv_append.streamed"].share == BufferShare(768, 0, streamed=True)
    assert found["kv_append.streamed"].constraints == Constraints((DIRECT,))
    assert (found["e[0]"].share, port(found["e[0]"])) == (MemoryShare(195), (40_000, 195))
    assert found["e.streamed"].share == BufferShare(0, 195, streamed=True)


@pytest.mark.parametrize(("schedule", "buffered"), [("contended", True), ("dataflow", False), ("serial", False)])
def test_an_append_is_accepted_by_its_buffer_and_drained_from_there(schedule: str, buffered: bool) -> None:
    scores = AttentionScores("s", ("kv_append",), heads=2, kv_heads=2, d_head=64, queries=3, context=9, bits=8)
    keys = (f"schedule={schedule}", "mapping.kv_write_entries=2")
    found = flow(APPEND, scores, Norm("n", ("kv_append",), norm="rmsnorm", vectors=1, elements=1), settings=keys)
    # What reads the cache goes on when the buffer has the entries.
    accepted = DIRECT if buffered else "kv_append"
    assert after(found)["n[0]"] == ("n.issue", accepted)
    assert after(found)["s[0]"] == ("s.issue", "s.operand[0]", accepted)
    if not buffered:
        assert "kv_append.drain[0]" not in found
        return
    accepting = on(KV_PORT, "kv_append.issue", *IN, opens=KV_WRITES)
    assert (found[DIRECT].component.name, found[DIRECT].constraints) == ("sram", accepting)
    assert (found[DIRECT].share, port(found[DIRECT])) == (BufferShare(write_bytes=768), (120_000, 768))
    drain = found["kv_append.drain[0]"]
    assert (drain.share, drain.constraints) == (MemoryShare(768, write=True), on("memory", DIRECT, closes=(DIRECT,)))
    assert port(drain) is None
    assert program(APPEND, settings=keys).capacities[KV_WRITES] == 2


def test_each_interface_of_memory_is_a_resource_of_its_own() -> None:
    found = flow(APPEND, LOOKUP, settings=("schedule=contended", f"machine.memory.interfaces={INTERFACES}"))
    assert found[DIRECT].constraints.resource == Resource("memory interface of results")
    assert found["e[0]"].constraints.resource == Resource("memory interface of weights")


def test_a_port_without_a_limit_takes_no_time() -> None:
    found = flow(APPEND, LOOKUP, settings=("schedule=contended", "machine.sram.ports=null"))
    assert {each.stream for each in found.values()} == {None}


def test_a_buffer_knows_what_is_read_from_it_and_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped one takes as long for both; this one has the bytes read as its time, and those written as bytes."""

    def stream(sram: Sram, read: int, write: int, count: int = 1, *, next_chip: bool = False) -> Stream:
        return Stream(count * read, count * write, sram, next_chip)

    monkeypatch.setattr(Sram, "stream", stream)
    sizes = {"in_features": 300, "out_features": 40, "vectors": 3, "weight_bits": 8, "activation_bits": 8}
    norm = Norm("n", IN, norm="rmsnorm", vectors=3, elements=70)
    memory = ("mapping.projection_activations=memory", "machine.systolic.dataflow=os")
    found = flow(APPEND, LOOKUP, norm, Projection("q", IN, role="q", **sizes), settings=("schedule=contended", *memory))
    assert {name: port(each) for name, each in found.items() if each.stream is not None} == {
        DIRECT: (768, 0),
        "e[0]": (0, 195),
        "n[0]": (3 * 2 * 70, 3 * 70),
        "q.input": (0, 900),
        "q.operand[0]": (0, 12_000),
        "q[0]": (12_000 + 2 * 900, 120),  # two folds of 32 outputs read the inputs
        "q.output": (120, 0),
    }
    found = flow(APPEND, settings=("schedule=contended", "mapping.kv_write_entries=1"))
    assert port(found[DIRECT]) == (768, 0)


def test_a_host_requests_and_the_controller_issues() -> None:
    found = flow(LOOKUP, settings=("schedule=dataflow", HOST))
    assert found["e.request"].constraints == on("host", opens="command queue")
    assert found["e.issue"].constraints == on("controller", "e.request", closes=("e.request",))
    assert after(found)["e[0]"] == ("e.issue", *IN)
    assert flow(LOOKUP)["e.issue"].constraints == on("controller")


def test_scores_of_other_slices_are_awaited_whole() -> None:
    """Four heads in four slices and two heads in two: what has two slices waits for its own two alone."""
    sizes = {"d_head": 8, "queries": 1, "context": 9, "bits": 8}
    four, two = (AttentionScores(f"s{n}", IN, heads=n, kv_heads=n, **sizes) for n in (4, 2))
    both = AttentionScores("s", ("s4", "s2"), heads=2, kv_heads=2, **sizes)
    assert after(flow(four, two, both, settings=("schedule=dataflow",)))["s[1]"][2:] == ("s4", "s2[1]")
    whole = AttentionScores("s", ("s1",), heads=1, kv_heads=1, **sizes)
    one = AttentionScores("s1", IN, heads=1, kv_heads=1, **sizes)
    assert after(flow(one, whole, settings=("schedule=dataflow",)))["s[0]"][2:] == ("s1",)


@pytest.mark.parametrize("host", [(HOST,), ()])
def test_an_output_leaves_its_chip_once_and_by_two_ports(host: tuple[str, ...]) -> None:
    """Two layers on two chips: the 2 x 100 bytes of the last op pass the link, and the ports in 4 accesses."""
    chips = ("machine.chips.count=2", "machine.crossbar.banks=1", "machine.mesh.rows=1", "machine.mesh.columns=1")
    sizes = {"in_features": 300, "out_features": 300, "vectors": 1, "activation_bits": 8}
    op = Projection("q", IN, role="q", weight_bits=1, **sizes)
    last = Norm("n", ("q",), norm="rmsnorm", vectors=2, elements=100)
    first, second = program(op, last, settings=("schedule=contended", *host, *chips), repeat=2).blocks
    assert (first.chip, second.chip) == (0, 1)
    assert [task.name for task in first.tasks] == ["q", "n", TO_NEXT_CHIP]
    assert [task.name for task in second.tasks] == ["q", "n"]
    leaving = first.tasks[2]
    assert (leaving.kind, leaving.inputs, leaving.macs) == ("chip_link", ("n",), 0)
    *requests, issue, sending, streamed = leaving.assignments
    assert issue.constraints.after == tuple(each.name for each in requests)
    assert len(requests) == len(host)
    assert (sending.name, sending.share) == (f"{TO_NEXT_CHIP}[0]", LinkShare(200))
    assert sending.constraints == on("chip_link", issue.name, "n")
    assert sending.stream is not None
    assert (port(sending), sending.stream.next_chip) == ((40_000, 200), True)
    assert (streamed.name, streamed.share) == (f"{TO_NEXT_CHIP}.streamed", BufferShare(200, 200, streamed=True))
    assert streamed.constraints == Constraints((sending.name,))
