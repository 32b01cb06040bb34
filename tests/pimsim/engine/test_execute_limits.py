"""Work is bounded before it is built: activities, and packets on meshes."""

from __future__ import annotations

import tracemalloc

import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.config.loading import load_config
from pimsim.engine import execute
from pimsim.hardware.mesh import Mesh
from pimsim.hardware.shared.busy_period import phase_packets
from pimsim.hardware.shared.messages import LinkTiming
from pimsim.hardware.shared.topologies import topology
from pimsim.mapping import program
from pimsim.simulation import simulate

PREFILL = ("workload.model=gpt2-small", "schedule=contended", "workload.phase=prefill", "workload.prompt_length=1024")


def refusal(*settings: str) -> str:
    config = load_config("pim-llm", [*PREFILL, *settings])
    tracemalloc.start()
    try:
        with pytest.raises(WorkloadInputError) as caught:
            simulate(config)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    return str(caught.value)


def test_pieces_are_counted_before_they_are_made() -> None:
    """40 micro-batches of 1,024 vectors one by one: 12 layers of 6 matrices, 2 activities a vector at least.

    2 x 72 x 1,024 x 40 = 5,898,240, and the LM head runs for the last vector of each.
    """
    settings = ("workload.batch=40", "mapping.microbatches=40", "mapping.input_buffer_vectors=1")
    message = refusal(*settings)
    assert "at least 5,898,240 activities, more than the 2,000,000 allowed" in message
    assert "mapping.input_buffer_vectors" in message


def test_repetitions_are_counted_before_they_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MAX_ACTIVITIES", 500)
    assert "activities, more than the 500 allowed" in refusal("workload.prompt_length=1")
    simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))  # serial: one of 12 equal layers


def test_packets_are_counted_before_they_are_made() -> None:
    assert "packets over the mesh, more than the 100,000,000 allowed" in refusal("machine.mesh.packet_bits=1")
    message = refusal("machine.mesh.packet_bits=1", "workload.model=opt-6.7b", "workload.prompt_length=64")
    assert "packets at once, more than the 1,000,000 allowed; use a smaller workload" in message


def test_the_count_of_packets_is_that_of_the_simulation() -> None:
    config = load_config("pim-llm", ["workload.model=gpt2-small", "schedule=contended", "machine.mesh.packet_bits=100"])
    counted: dict[int, tuple[int, int]] = {}
    made: dict[int, int] = {}

    def spy(mapped: program.Program) -> None:
        mesh = config.machine.mesh
        assert mesh is not None
        links = topology(mesh.topology, mesh.rows, mesh.columns)
        for _, task in mapped.tasks():
            for each in task.assignments:
                if each.medium and isinstance(each.component, Mesh):
                    counted[id(each.share)] = each.component.packet_counts(each.share)
                    job = each.component.job(each.share)
                    made[id(each.share)] = job.rounds * sum(len(phase_packets(links, each)) for each in job.phases)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "_check_packets", spy)
        simulate(config)
    assert len(made) > 5
    assert {share: total for share, (total, _) in counted.items()} == made


@pytest.mark.parametrize("bits", [0, 1, 99, 100, 101, 250, 1000])
def test_a_message_takes_the_time_of_its_packets(bits: int) -> None:
    """docs/network.md, eq. (3), packet by packet: all packets on the last link, the first one on those before."""
    timing = LinkTiming(1e9, 100, 10, 7)
    lengths = timing.packets(bits)
    assert timing.packet_count(bits) == len(lengths)
    last = sum(map(timing.link_ps, lengths)) + 7
    assert timing.hops_ps(bits, 3) == (timing.lead_ps(lengths[0]) + 7,) * 2 + (last,)
    assert timing.message_ps(bits, 3) == sum(timing.hops_ps(bits, 3))
