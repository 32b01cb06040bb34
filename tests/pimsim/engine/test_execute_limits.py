"""Work is bounded before it is built: activities, packets on meshes, and chunks of memory requests."""

from __future__ import annotations

import tracemalloc

import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.config.loading import load_config
from pimsim.engine import execute
from pimsim.hardware.memory import Memory
from pimsim.hardware.mesh import Mesh
from pimsim.hardware.shared.busy_period import phase_packets
from pimsim.hardware.shared.dram import Dram
from pimsim.hardware.shared.dram_channel import Channel, ChunkTiming
from pimsim.hardware.shared.dram_jobs import Request
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
                if each.constraints.medium and isinstance(each.component, Mesh):
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


TIMED = {"extends": ["tpu-llm", "memory-lpddr5-timing"], "schedule": "contended"}


def test_chunks_of_memory_requests_are_counted_before_they_are_issued() -> None:
    """By hand: 80 layers of 855,638,016 weights at least, a byte each, in chunks of 64 bytes: above 1.07e9."""
    large = ["workload.model=llama-3-70b", "machine.memory.dram.chunk_bytes=64", "machine.memory.capacity_bytes=null"]
    with pytest.raises(WorkloadInputError) as caught:
        simulate(load_config(TIMED, large))
    message = str(caught.value)
    assert int(message.split("have ")[1].split(" ")[0].replace(",", "")) > 80 * 855_638_016 // 64
    assert "chunks of memory requests, more than the 50,000,000 allowed" in message
    assert "machine.memory.dram.chunk_bytes" in message


def test_the_count_of_chunks_is_that_of_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels that are simulated one by one serve the counted chunks, and at most one more per request and channel."""
    config = load_config(TIMED, ["workload.model=kjv-bitnet"])
    monkeypatch.setattr(execute, "MAX_CHUNKS", 0)
    with pytest.raises(WorkloadInputError) as caught:
        simulate(config)
    counted = int(str(caught.value).split("have ")[1].split(" ")[0].replace(",", ""))
    monkeypatch.setattr(execute, "MAX_CHUNKS", counted)
    served, requests = [0], [0]
    serve, submit = Channel.serve, Dram.submit

    def counting_serve(channel: Channel, burst: int, count: int, write: bool, now_ps: int) -> ChunkTiming:
        served[0] += 1
        return serve(channel, burst, count, write, now_ps)

    def counting_submit(dram: Dram, ticket: int, share: Request, now_ps: int) -> None:
        requests[0] += share.count
        submit(dram, ticket, share, now_ps)

    monkeypatch.setattr(Channel, "serve", counting_serve)
    monkeypatch.setattr(Dram, "submit", counting_submit)
    monkeypatch.setattr(Memory, "contended", lambda memory: Dram(memory.config, expand=True))
    simulate(config)
    assert counted <= served[0] <= counted + config.machine.memory.channels * requests[0]
    assert counted > 2 * requests[0] > 20
