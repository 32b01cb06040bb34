"""From a config to its components."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.steps.step_tree import PARTS
from tests.oracles import naive_schedule
from tests.support import strategies
from tests.support.counts import MACHINES
from workloads.trace import Trace


def test_a_hybrid_machine_has_every_part() -> None:
    names = [component.name for component in build_machine(load_config("pim-llm").machine).components()]
    assert names == ["systolic", "tile", "mesh", "vector", "sram", "memory", "controller", "programming"]


def test_a_machine_without_crossbars_has_no_tiles_and_no_mesh() -> None:
    machine = build_machine(load_config("tpu-llm").machine)
    assert [component.name for component in machine.components()] == [
        "systolic",
        "vector",
        "sram",
        "memory",
        "controller",
    ]
    assert replace(machine) == machine


def test_aggregators_add_at_the_energy_of_tiles() -> None:
    machine = build_machine(load_config({}, ["machine.crossbar.digital.add_energy_j=7 pJ"]).machine)
    assert machine.action_energies_j()["mesh.add"] == machine.action_energies_j()["tile.add"] == 7e-12


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_every_step_has_a_known_part_component_and_energy(run: tuple[Config, Trace]) -> None:
    config, trace = run
    machine = build_machine(config.machine)
    names = {component.name for component in machine.components()}
    energies = machine.action_energies_j()
    assert set(energies) == {
        f"{component.name}.{action}" for component in machine.components() for action in component.action_energies_j()
    }
    for _, task in map_trace(config, machine, trace).program.tasks():
        for event in naive_schedule.replay(task.work())[1]:
            assert event.step.component in names
            assert event.step.part in PARTS
            assert all(action in energies and count >= 0 for action, count in event.step.counts)
            assert event.step.duration_ps >= 0
