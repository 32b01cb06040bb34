"""Feasibility: area compared with a reticle, loading of weights, several chips with a link, swapped weights, wear."""

from __future__ import annotations

import io
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pimsim import load_config, simulate
from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.schema import Config
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.crossbar_ops import SWAP
from pimsim.mapping.occupancy import SWAP_REGION
from pimsim.mapping.op_sizes import output_elements
from pimsim.mapping.operations import TO_NEXT_CHIP, map_trace
from pimsim.mapping.program import Program
from pimsim.mapping.tile_plan import LayerPlan, plan_tiles
from pimsim.present.text.run_report import print_run
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_result, write_result
from tests.oracles import naive_schedule
from tests.support import strategies
from tests.support.closeness import near
from workloads.decoder_ops import decode_step
from workloads.trace import Trace

SCHEDULES = ("serial", "dataflow")
ALL_ROLES = (("q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down"),)


def changed(config: Config, *, crossbar: Any = None, chips: Any = None, mapping: Any = None, **top: Any) -> Config:
    """A config with other keys in these sections."""
    assert config.machine.crossbar
    machine = config.machine.model_copy(
        update={
            "crossbar": config.machine.crossbar.model_copy(update=crossbar or {}),
            "chips": config.machine.chips.model_copy(update=chips or {}),
        }
    )
    sections = {"machine": machine, "mapping": config.mapping.model_copy(update=mapping or {})}
    return config.model_copy(update=sections | top)


def layers_of(config: Config, trace: Trace) -> list[LayerPlan]:
    return [layer for layers in plan_tiles(config, trace).blocks for layer in layers for _ in range(layer.repeat)]


def banks_needed(config: Config, trace: Trace) -> int:
    """Banks that hold the whole model on one chip."""
    for banks in range(1, 1 << 10):
        try:
            plan_tiles(changed(config, crossbar={"banks": banks}, mapping={"provisioning": "whole_model"}), trace)
        except CapacityError:
            continue
        return banks
    raise AssertionError


def smallest_swapping(config: Config, trace: Trace) -> Config:
    """The config with the fewest banks on one chip that any layer fits."""
    for banks in range(1, 1 << 10):
        swapping = changed(config, crossbar={"banks": banks}, mapping={"provisioning": "swap"})
        try:
            plan_tiles(swapping, trace)
        except CapacityError:
            continue
        return swapping
    raise AssertionError


@st.composite
def swapping_runs(draw: st.DrawFn) -> tuple[Config, Trace]:
    """Machines of one to three chips that are too small for their model, most of them."""
    config, trace = draw(strategies.runs(crossbars=True))
    config = changed(
        smallest_swapping(config, trace),
        chips={"count": draw(st.integers(1, 3))},
        schedule=draw(st.sampled_from(SCHEDULES)),
    )
    assert config.machine.crossbar
    return changed(config, crossbar={"banks": config.machine.crossbar.banks + draw(st.integers(0, 1))}), trace


@st.composite
def model_runs(draw: st.DrawFn) -> tuple[Config, Trace]:
    """A model of which every layer is one placement group, on one chip."""
    trace = draw(strategies.model_traces)
    config = draw(strategies.configs_for(trace, crossbars=True))
    mapping = {"placement_groups": ALL_ROLES, "provisioning": "whole_model"}
    config = changed(config, mapping=mapping, leakage_gating="not_charged")
    return changed(config, crossbar={"banks": banks_needed(config, trace)}), trace


# --- several chips ----------------------------------------------------------------------------------------------------


@given(case=model_runs())
def test_chips_of_one_bank_take_as_long_as_one_chip_and_the_links_between(case: tuple[Config, Trace]) -> None:
    """Exact: where a bank begins, a chip does; every crossing costs a command and the layer's output on the link."""
    config, trace = case
    assert config.machine.crossbar
    banks = config.machine.crossbar.banks
    spread = changed(config, crossbar={"banks": 1}, chips={"count": banks})
    one, several = simulate(config, trace), simulate(spread, trace)
    crossings = several.provision.chips_used - 1
    assert crossings == banks - 1
    tasks = [op for op in several.ops if op.name == TO_NEXT_CHIP]
    assert sum(op.repeat for op in tasks) == crossings
    assert several.latency_ps == one.latency_ps + sum(op.repeat * op.latency_ps for op in tasks) >= one.latency_ps
    added = Counter(several.counts)
    added.subtract(one.counts)
    outputs = [output_elements(block.ops[-1]) for block in trace.blocks for _ in range(block.repeat)]
    chips = [layer.chip for layer in layers_of(spread, trace)]
    sent = [size for size, here, there in zip(outputs, chips, chips[1:], strict=False) if here != there]
    assert added["chip_link.bit"] == 8 * sum(sent)
    assert added["controller.command"] == crossings
    assert added["host.request"] == (crossings if config.machine.host else 0)
    width = config.machine.sram.width_bits
    assert added["sram.read"] == added["sram.write"] == sum(-(-8 * size // width) for size in sent)
    assert not {key for key, n in added.items() if n} - {
        "chip_link.bit", "controller.command", "host.request", "sram.read", "sram.write"
    }  # fmt: skip
    extra = math.fsum(several.dynamic_energy_j(added).values())
    assert several.energy_j == pytest.approx(one.energy_j + extra, rel=1e-9, abs=1e-30)
    assert (
        several.provision.load_counts["programming.cell_write"] == one.provision.load_counts["programming.cell_write"]
    )
    assert several.weight_load_ps <= one.weight_load_ps


@given(case=model_runs(), gating=st.sampled_from(["ungated", "not_charged"]))
def test_every_chip_has_parts_of_its_own(case: tuple[Config, Trace], gating: str) -> None:
    config, trace = case
    spread = changed(config, chips={"count": 3}, leakage_gating=gating)
    one, three = simulate(changed(config, leakage_gating=gating), trace), simulate(spread, trace)
    assert three.latency_ps == one.latency_ps  # all layers lie on the first chip
    assert (three.provision.chips, three.provision.chips_used) == (3, 1)
    link_m2 = config.machine.chips.link.area_m2
    assert three.area_m2 == near(3 * (one.area_m2 + link_m2))
    assert three.feasibility.chip_area_m2 == near(one.area_m2 + link_m2)
    for component in one.components:
        other = three.component(component.name)
        assert other.units == 3 * component.units
        assert other.leakage_j == near(3 * component.leakage_j)
    assert three.tiles.tiles_available == 3 * one.tiles.tiles_available


@given(case=model_runs(), buffers=st.integers(1, 2))
def test_chips_share_nothing_under_dataflow(case: tuple[Config, Trace], buffers: int) -> None:
    config, trace = case
    assert config.machine.crossbar
    chips = {"count": config.machine.crossbar.banks}
    mapping = {"stream_buffers": buffers}
    spread = changed(config, crossbar={"banks": 1}, chips=chips, mapping=mapping, schedule="dataflow")
    mapped = map_trace(spread, build_machine(spread.machine), trace)
    result = simulate(spread, trace)
    assert naive_schedule.longest_path_ps(mapped.program) <= result.latency_ps <= mapped.program.serial_latency_ps()
    chip_of = [block.chip for block in mapped.program.ungrouped().blocks for _ in block.tasks]
    assert len(chip_of) == len(result.ops)
    at_work: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for activity in result.activities:
        if activity.resource in mapped.program.capacities:
            at_work[chip_of[activity.op], activity.resource].append((activity.start_ps, activity.end_ps))
    for (_, resource), intervals in at_work.items():
        assert naive_schedule.units_needed(intervals) <= mapped.program.capacities[resource]


def test_operands_of_the_next_chip_come_while_this_one_works() -> None:
    """Two layers on two chips: each chip has a memory and stream buffers of its own, so K of both is read at once."""
    overrides = ["workload.model=gpt2-small", "schedule=dataflow", "mapping.provisioning=whole_model"]
    small = [*overrides, "machine.mesh.rows=8", "machine.mesh.columns=8"]
    one = simulate(load_config({}, [*small, "machine.crossbar.banks=6"]))
    several = simulate(load_config({}, [*small, "machine.chips.count=6"]))
    assert several.provision.chips_used == 6
    first_reads = [a.start_ps for a in several.activities if a.name == "scores.operand[0]"]
    assert first_reads.count(0) == 6
    assert [a.start_ps for a in one.activities if a.name == "scores.operand[0]"].count(0) == 1


def test_several_chips_need_layers_to_share_out() -> None:
    for overrides in (["mapping.provisioning=per_layer"], ["mapping.projections=systolic"]):
        with pytest.raises(ConfigError, match=r"machine\.chips\.count is above 1"):
            load_config({}, ["machine.chips.count=2", *overrides])


# --- swapping ---------------------------------------------------------------------------------------------------------


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
    packed_bits = [
        8 * -(-m.grid.in_features * m.grid.out_features // 8)
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


@given(case=model_runs(), schedule=st.sampled_from(SCHEDULES))
def test_with_room_for_all_layers_swapping_is_whole_model(case: tuple[Config, Trace], schedule: str) -> None:
    config, trace = changed(case[0], schedule=schedule), case[1]
    whole, swap = simulate(config, trace), simulate(changed(config, mapping={"provisioning": "swap"}), trace)
    assert whole.to_dict() | {"config": None} == swap.to_dict() | {"config": None}
    assert (whole.activities, whole.profiles, whole.provision) == (swap.activities, swap.profiles, swap.provision)


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
    assert more <= {"programming.cell_write", "memory.read_bit", "sram.read", "sram.write", *commands}
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
    # Q, K, V and O: 768 x 768 bits each at 51.2 GB/s after 35.5 ns, and two pulses for 2 x 256 rows of up to 4 pairs.
    stream_s = 6 * 35.5e-9 + weights / 8 / 51.2e9
    pulses = 2 * 2 * 256 * (4 * 4 + 2 * 4)
    assert swap.latency_ps == pytest.approx(1e12 * (stream_s + pulses * 10e-9) + 6 * 10_000, abs=10)
    # Loading the two that stay, each from its own chip's memory.
    assert result.weight_load_ps == max(round(weights / 8 / 51.2e9 * 1e12), 2 * 2 * 256 * 4 * 10_000)


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


def test_too_few_chips_is_an_error_that_says_how_many() -> None:
    overrides = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6", "machine.chips.count=5"]
    with pytest.raises(CapacityError) as raised:
        simulate(load_config({}, overrides))
    assert str(raised.value) == (
        "gpt2-small needs 360 tiles in 12 banks; the machine has 1 of 36 tiles on each of 5 chips. "
        "Set machine.chips.count=12, or mapping.provisioning=swap to program layers before each use"
    )
    assert simulate(load_config({}, [*overrides[:-1], "machine.chips.count=12"])).provision.chips_used == 12


# --- area, loading, files, reports ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opt() -> RunResult:
    return simulate(load_config("pim-llm"))


def test_the_buffers_of_opt_6_7b_take_even_more_area_than_its_adcs(opt: RunResult) -> None:
    areas = {each.item: each.area_m2 * 1e6 for each in opt.feasibility.areas}
    assert areas["ADCs"] == near(24_576 * 4 * 128 * 1650e-6)  # 20,761 mm^2
    assert areas["input buffers of PEs"] == near(24_576 * 4 * 0.6163)
    assert list(areas)[:2] == ["input buffers of PEs", "ADCs"]
    assert opt.feasibility.reticles_per_chip == near(opt.area_m2 * 1e6 / 858)
    assert math.fsum(areas.values()) == near(opt.area_m2 * 1e6)


def test_loading_opt_6_7b_once(opt: RunResult) -> None:
    """A bit per weight at 51.2 GB/s and 20 pJ; 9 pJ into each of two cells; through the buffer 512 bits at a time."""
    bits = 32 * 12 * 4096**2
    assert opt.weight_bytes * 8 == bits
    assert opt.weight_load_ps == round(bits / 8 / 51.2e9 * 1e12)
    assert opt.feasibility.weight_load_energy_j == near(bits * (20e-12 + 2 * 9e-12) + 2 * bits / 512 * 744e-12)
    assert opt.summary()["weight_load_energy_j"] == opt.feasibility.weight_load_energy_j


def test_a_machine_without_crossbars_loads_nothing() -> None:
    feasibility = simulate(load_config("tpu-llm", ["workload.model=gpt2-small"])).feasibility
    assert (feasibility.weight_load_s, feasibility.weight_load_energy_j, feasibility.layers) == (0.0, 0.0, 0)
    assert feasibility.endurance_writes is None
    assert feasibility.reticles_per_chip < 1


SETTINGS: Sequence[Sequence[str]] = (
    ["mapping.provisioning=swap"],
    ["mapping.provisioning=swap", "machine.chips.count=3", "schedule=dataflow"],
    ["machine.chips.count=12"],
)


@pytest.mark.parametrize("settings", SETTINGS, ids=["swap", "swap on three chips", "chips"])
def test_results_come_back_from_a_file_and_print(settings: Sequence[str], tmp_path: Path) -> None:
    base = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6"]
    result = simulate(load_config({}, [*base, *settings]))
    write_result(result, tmp_path / "result.h5")
    assert read_result(tmp_path / "result.h5") == result
    assert read_result(tmp_path / "result.h5").to_dict() == result.to_dict()
    json.dumps(result.to_dict(), allow_nan=False)
    print_run(result, file := io.StringIO())
    text = file.getvalue()
    assert "feasibility" in text
    assert ("writes per cell and token" in text) == bool(result.provision.layers_swapped)
    assert ("chips, " in text) == (result.provision.chips > 1)


def test_what_no_op_is_called() -> None:
    """Names of the tasks that mapping adds cannot be names of a trace's ops."""
    assert all(" " in name for name in (SWAP, SWAP_REGION, TO_NEXT_CHIP))


def test_a_program_grouped_and_written_out_is_the_same() -> None:
    base = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6"]
    config = load_config({}, [*base, "mapping.provisioning=swap", "machine.chips.count=3"])
    trace = decode_step_of(config)
    program = map_trace(config, build_machine(config.machine), trace).program
    assert [(b.repeat, b.chip) for b in program.grouped().blocks] == [(1, 0), (1, 1), (10, 2)]
    assert isinstance(program.ungrouped(), Program)
    assert run(program).latency_ps == run(program.ungrouped()).latency_ps == simulate(config, expand=True).latency_ps


def decode_step_of(config: Config) -> Trace:
    from pimsim.simulation import model_spec

    return decode_step(model_spec(config), config.workload.context_length)


def test_a_timeline_of_layers_that_differ_ends_with_the_run() -> None:
    """Swapped layers take longer than those that stay; each kind follows on its own repetitions."""
    from pimsim.results.timeline import timeline_events

    base = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6"]
    result = simulate(load_config({}, [*base, "mapping.provisioning=swap", "machine.chips.count=4"]))
    ends_us = [event["ts"] + event["dur"] for event in timeline_events(result) if event["ph"] == "X"]
    assert max(ends_us) == pytest.approx(result.latency_s * 1e6, abs=2e-3)
