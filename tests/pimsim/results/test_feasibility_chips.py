"""Several chips with a link between them: where a bank would begin, a chip does."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim import load_config, simulate
from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import TO_NEXT_CHIP, map_trace
from tests.oracles import naive_schedule
from tests.pimsim.results.tight_machines import (
    changed,
    layers_of,
    model_runs,
)
from tests.support.closeness import near
from tests.support.counts import MACHINES
from workloads.trace import Trace


@settings(max_examples=MACHINES)
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
    outputs = [block.ops[-1].output_elements for block in trace.blocks for _ in range(block.repeat)]
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


@settings(max_examples=MACHINES)
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


@settings(max_examples=MACHINES)
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


def test_too_few_chips_is_an_error_that_says_how_many() -> None:
    overrides = ["workload.model=gpt2-small", "machine.mesh.rows=6", "machine.mesh.columns=6", "machine.chips.count=5"]
    with pytest.raises(CapacityError) as raised:
        simulate(load_config({}, overrides))
    assert str(raised.value) == (
        "gpt2-small needs 360 tiles in 12 banks; the machine has 1 of 36 tiles on each of 5 chips. "
        "Set machine.chips.count=12, or mapping.provisioning=swap to program layers before each use"
    )
    assert simulate(load_config({}, [*overrides[:-1], "machine.chips.count=12"])).provision.chips_used == 12
