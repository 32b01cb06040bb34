"""Layers that take turns on the tiles: cells, bits and wear by formula, and the order of the turns."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pimsim import load_config, simulate
from pimsim.base.errors import CapacityError
from pimsim.config.schema import Config
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.crossbar_ops import SWAP
from pimsim.mapping.operations import map_trace
from tests.oracles import naive_schedule
from tests.pimsim.results.tight_machines import (
    SCHEDULES,
    changed,
    layers_of,
    model_runs,
    smallest_swapping,
    swapping_runs,
)
from tests.support.closeness import near
from tests.support.counts import MACHINES, scaled
from workloads.trace import Trace


def bits_of_a_weight(config: Config) -> Fraction:
    """Bits of a weight in memory, docs/model.md, eq. (48)."""
    assert config.machine.crossbar
    stated = {"binary": "1", "unit": "1", "ternary": str(config.mapping.ternary_storage_bits), "int2": "2"}
    return Fraction(stated[config.machine.crossbar.pair.encoding.weights])


@settings(max_examples=MACHINES)
@given(case=swapping_runs())
def test_a_swapped_layer_is_written_before_each_use(case: tuple[Config, Trace]) -> None:
    """Cells, bits and wear by formula, from the weights of the layers that do not stay."""
    config, trace = case
    result = simulate(config, trace)
    layers = layers_of(config, trace)
    weights = [sum(m.grid.in_features * m.grid.out_features for m in layer.matrices.values()) for layer in layers]
    swapped = sum(n for n, layer in zip(weights, layers, strict=True) if layer.swapped)
    stays = sum(weights) - swapped
    assert config.machine.crossbar
    cells = 2 if config.machine.crossbar.pair.encoding.cells == "differential" else 1
    assert result.counts.get("programming.cell_write", 0) == cells * swapped
    assert result.provision.load_counts.get("programming.cell_write", 0) == cells * stays
    assert result.provision.layers == sum(bool(layer.matrices) for layer in layers)
    assert result.provision.layers_swapped == sum(layer.swapped and bool(layer.matrices) for layer in layers)
    each_bits = bits_of_a_weight(config)
    packed_bits = [
        8 * math.ceil(m.grid.in_features * m.grid.out_features * each_bits / 8)
        for layer in layers if layer.swapped for m in layer.matrices.values()
    ]  # fmt: skip
    resident = simulate(changed(config, crossbar={"banks": 1 << 10}, chips={"count": 1}), trace)
    assert not resident.provision.layers_swapped
    assert result.counts.get("memory.read_bit", 0) - resident.counts.get("memory.read_bit", 0) == sum(packed_bits)
    feasibility = result.feasibility
    writes = result.provision.writes_per_run
    assert bool(writes) == bool(swapped)
    assert writes <= result.provision.layers_swapped
    assert feasibility.writes_per_token == writes / result.tokens
    if writes:
        tokens = config.machine.crossbar.pair.cell.endurance_writes / feasibility.writes_per_token
        assert feasibility.lifetime_tokens == near(tokens)
        assert feasibility.lifetime_s == near(tokens / result.tokens_per_s)
    else:
        assert (feasibility.lifetime_tokens, feasibility.lifetime_s, feasibility.lifetime_days) == (None, None, None)


@settings(max_examples=scaled(9, 300))
@given(case=swapping_runs())
def test_closed_form_is_the_engine_s_and_nothing_overlaps_in_series(case: tuple[Config, Trace]) -> None:
    config, trace = case
    program = map_trace(config, build_machine(config.machine), trace).program
    serial = simulate(changed(config, schedule="serial"), trace)
    flow = simulate(changed(config, schedule="dataflow"), trace)
    assert serial.latency_ps == map_trace(
        changed(config, schedule="serial"), build_machine(config.machine), trace
    ).program.serial_latency_ps()  # fmt: skip
    assert run(program, "serial", expand=True).latency_ps == serial.latency_ps
    flow_program = map_trace(changed(config, schedule="dataflow"), build_machine(config.machine), trace).program
    assert run(flow_program, "dataflow", expand=True).latency_ps == flow.latency_ps
    assert naive_schedule.longest_path_ps(flow_program) == run(flow_program, "dataflow", unlimited=True).latency_ps
    assert naive_schedule.longest_path_ps(flow_program) <= flow.latency_ps <= flow_program.serial_latency_ps()
    for result in (serial, flow):
        assert sum(result.parts_ps.values()) == result.latency_ps
    assert flow.counts == serial.counts


@settings(max_examples=MACHINES)
@given(case=swapping_runs())
def test_layers_take_turns_in_the_region(case: tuple[Config, Trace]) -> None:
    config, trace = case
    result = simulate(changed(config, schedule="dataflow"), trace)
    turns: list[tuple[int, int]] = []
    programmed: dict[str, int] = {}
    swapping = False
    for activity in result.activities:
        op = result.ops[activity.op]
        if activity.name == f"{SWAP}.issue":
            programmed = {}
        elif op.name == SWAP and activity.component == "programming":
            if not programmed:
                turns.append((activity.start_ps, activity.end_ps))
            swapping = True
            programmed[activity.resource] = activity.end_ps
        elif activity.component == "tile" and activity.resource in programmed:
            assert activity.start_ps >= programmed[activity.resource]
            turns[-1] = turns[-1][0], max(turns[-1][1], activity.end_ps)
    assert swapping == bool(result.provision.layers_swapped)
    assert len(turns) == result.provision.layers_swapped
    # The turns follow one another in program order, each from its first pulse to the end of its last use.
    assert all(here[1] <= there[0] for here, there in pairwise(turns))


@settings(max_examples=MACHINES)
@given(case=model_runs(), schedule=st.sampled_from(SCHEDULES))
def test_with_room_for_all_layers_swapping_is_whole_model(case: tuple[Config, Trace], schedule: str) -> None:
    config, trace = changed(case[0], schedule=schedule), case[1]
    whole, swap = simulate(config, trace), simulate(changed(config, mapping={"provisioning": "swap"}), trace)
    assert whole.to_dict() | {"config": None} == swap.to_dict() | {"config": None}
    assert (whole.activities, whole.profiles, whole.provision) == (swap.activities, swap.profiles, swap.provision)


@settings(max_examples=MACHINES)
@given(case=model_runs())
def test_swapping_adds_work_and_takes_none_away(case: tuple[Config, Trace]) -> None:
    """But for hops on the mesh: a layer may take its turn nearer to the port than it would stay."""
    config, trace = case
    whole, swap = simulate(config, trace), simulate(smallest_swapping(config, trace), trace)
    assume(swap.provision.layers_swapped)
    added = Counter(swap.counts)
    added.subtract(whole.counts)
    del added["mesh.bit_hop"]
    more = {action for action, n in added.items() if n}
    commands = {"controller.command", "host.request"}
    writes = {"programming.cell_write", "programming.reference_write"}
    assert more <= {*writes, "memory.read_bit", "sram.read", "sram.write", *commands}
    assert all(n >= 0 for n in added.values())
    assert swap.tiles.tiles_used <= swap.tiles.tiles_available <= whole.tiles.tiles_available


def test_twelve_layers_on_chips_for_three_by_hand() -> None:
    """GPT-2 small on 3 chips of a layer each: two stay, ten take turns on the last. 30 tiles a layer."""
    overrides = ["workload.model=gpt2-small", "mapping.provisioning=swap", "machine.chips.count=3"]
    config = load_config({}, [*overrides, "machine.mesh.rows=6", "machine.mesh.columns=6"])
    result = simulate(config)
    weights = 12 * 768 * 768  # of a layer: 4 x 768 x 768 and 2 x 768 x 3072
    assert (result.provision.layers, result.provision.layers_swapped) == (12, 10)
    assert result.counts["programming.cell_write"] == 10 * 2 * weights
    assert result.provision.writes_per_run == 10
    assert result.feasibility.lifetime_tokens == 1e6 / 10
    [swap, *_] = [op for op in result.ops if op.name == SWAP]
    # Two bits per weight, in and out through a port of 64 bytes per 10 ns, which is slower than the memory. A matrix
    # has two pulses for 2 x 256 rows of 4 pairs; Q, K, V and O take longer to program than to read, others do not.
    square_ps, whole_ps = (size * 2 // 8 // 64 * 10_000 for size in (768 * 768, weights))
    pulses_ps = 2 * 2 * 256 * 4 * 10_000
    assert square_ps < pulses_ps < 4 * square_ps
    assert swap.latency_ps == whole_ps + 4 * pulses_ps + 2 * 4 * square_ps + 6 * 10_000
    # Loading the two that stay, each from its own chip's memory.
    assert result.weight_load_ps == 2 * whole_ps


@pytest.mark.parametrize(("weights", "bits"), [("binary", 1), ("ternary", 2), ("int2", 2), ("int4", 4)])
def test_a_swapped_layer_is_read_with_the_bits_of_its_alphabet(weights: str, bits: int) -> None:
    """A layer of GPT-2 small, 7,077,888 weights, packed without padding. The chip has no room for twelve."""
    overrides = ["workload.model=gpt2-small", "mapping.provisioning=swap"]
    overrides += ["machine.mesh.rows=10", "machine.mesh.columns=10"]
    config = load_config({}, [*overrides, f"machine.crossbar.pair.encoding.weights={weights}"])
    assert config.mapping.ternary_storage_bits == 2
    swap = next(op for op in simulate(config).ops if op.name == SWAP)
    assert swap.counts["memory.read_bit"] == bits * 12 * 768 * 768


def test_a_layer_that_no_chip_holds_cannot_be_swapped() -> None:
    groups = "mapping.placement_groups=[[q, k, v, o], [ffn_gate, ffn_up, ffn_down]]"
    overrides = ["workload.model=gpt2-small", groups, "machine.mesh.rows=5", "machine.mesh.columns=5"]
    for ways in (["mapping.provisioning=swap"], ["machine.chips.count=9"]):
        with pytest.raises(CapacityError) as raised:
            simulate(load_config({}, [*overrides, *ways]))
        text = str(raised.value)
        assert "(a layer, which never spans two chips, needs up to 2); the machine has 1 of 25 tiles" in text
        assert "machine.crossbar.banks=2" in text
        assert "machine.chips.count" not in text
