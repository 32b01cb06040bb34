"""Registered components: their effect on a run, and the errors for invalid ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pimsim.base.errors import ConfigError, PluginError
from pimsim.config.loading import dump_config, load_config, load_config_text
from pimsim.config.schema import Config
from pimsim.hardware.component import Area
from pimsim.hardware.machine import build_machine
from pimsim.hardware.registry import ENTRY_POINT_GROUP, register_component, registered_kinds
from pimsim.hardware.systolic import MatmulShare, Systolic
from pimsim.hardware.vector import VectorShare, VectorUnit
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.steps.step_tree import Identical, Step, Work
from tests.support.closeness import near
from tests.support.registries import restored_registries


@pytest.fixture(autouse=True)
def _registered_for_one_test_only() -> Iterator[None]:
    with restored_registries():
        yield


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Many(Parameters):
    units: int = Field(ge=1, le=8)
    clock_hz: float = Field(gt=0)


@dataclass(frozen=True)
class VectorUnits:
    """As many of the shipped vector unit as one likes."""

    unit: VectorUnit
    units: int
    name: str = "vector"

    def softmax_passes(self) -> int:
        return self.unit.softmax_passes()

    def work(self, share: VectorShare) -> Work:
        return self.unit.work(share)

    def latency_ps(self, share: VectorShare) -> int:
        return self.unit.latency_ps(share)

    def action_energies_j(self) -> Mapping[str, float]:
        return self.unit.action_energies_j()

    def areas(self) -> tuple[Area, ...]:
        (lanes,) = self.unit.areas()
        return (Area("lanes", lanes.each_m2, lanes.count * self.units),)

    def leakage_w(self) -> float:
        return self.unit.leakage_w()


class Cube(Parameters):
    side: int = Field(ge=1)
    multiply_s: float = Field(gt=0)


@dataclass(frozen=True)
class MatmulCube:
    """An array that multiplies side x side x side in one go."""

    side: int
    period_ps: int
    name: str = "systolic"
    units: int = 1

    def goes(self, share: MatmulShare) -> int:
        return -(-share.m // self.side) * -(-share.n // self.side) * -(-share.k // self.side)

    def operand_bytes(self, share: MatmulShare) -> tuple[int, int]:
        return share.count * (share.m * share.k + share.k * share.n), share.count * share.m * share.n

    def work(self, share: MatmulShare) -> Work:
        return Identical(
            Step(self.name, "systolic", "cube", self.period_ps, (("systolic.go", 1),), self.goes(share)), share.count
        )

    def latency_ps(self, share: MatmulShare) -> int:
        return share.count * self.goes(share) * self.period_ps

    def action_energies_j(self) -> Mapping[str, float]:
        return {"go": 5e-12}

    def areas(self) -> tuple[Area, ...]:
        return (Area("cubes", 3e-6, 2),)

    def leakage_w(self) -> float:
        return 0.25


SMALL = ["workload.model=gpt2-small", "workload.context_length=64", "schedule=dataflow"]


def vector_units(config: Config) -> Callable[[Any], VectorUnits]:
    def made(parameters: Many) -> VectorUnits:
        clocked = config.machine.vector.model_copy(update={"clock_hz": parameters.clock_hz})
        return VectorUnits(VectorUnit(clocked), parameters.units)

    return made


def with_part(slot: str, kind: str, parameters: Mapping[str, Any], *overrides: str) -> Config:
    tree = {
        "extends": "pim-llm",
        "machine": {"outside": {slot: {"kind": kind, "parameters": dict(parameters)}}},
    }
    return load_config(tree, [*SMALL, *overrides])


def result_of(units: int, clock_hz: float, *overrides: str) -> RunResult:
    return simulate(with_part("vector", "several", {"units": units, "clock_hz": clock_hz}, *overrides))


# --- effect on a run --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_the_same_part_from_outside_changes_nothing(schedule: str) -> None:
    own = load_config("pim-llm", [*SMALL, f"schedule={schedule}"])
    register_component("vector", "several", Many, vector_units(own))
    shipped = simulate(own)
    outside = result_of(1, own.machine.vector.clock_hz, f"schedule={schedule}")
    assert (outside.latency_ps, outside.ops, outside.activities) == (
        shipped.latency_ps,
        shipped.ops,
        shipped.activities,
    )
    assert outside.components == shipped.components
    assert outside.energies_j == shipped.energies_j


def test_a_second_vector_unit_works_beside_the_first() -> None:
    """With a slow clock softmax is the bottleneck: two units are faster, at the same energy, with twice the
    area, and at most two are busy at the same time.
    """
    own = load_config("pim-llm", SMALL)
    register_component("vector", "several", Many, vector_units(own))
    slow_hz = own.machine.vector.clock_hz / 1000
    one, two = result_of(1, slow_hz), result_of(2, slow_hz)
    assert two.latency_ps < one.latency_ps
    assert two.counts == one.counts
    assert two.energies_j == one.energies_j
    assert two.component("vector").units == 2
    assert two.component("vector").busy_ps == one.component("vector").busy_ps
    assert two.component("vector").area_m2["lanes"] == 2 * one.component("vector").area_m2["lanes"]
    assert 0 < two.component("vector").utilisation(two.latency_ps) <= 1
    assert [most_at_once(each) for each in (one, two)] == [1, 2]
    serial = [result_of(units, slow_hz, "schedule=serial").latency_ps for units in (1, 2)]
    assert serial[0] == serial[1] > one.latency_ps


def most_at_once(result: RunResult) -> int:
    """Vector activities over one moment."""
    intervals = [(a.start_ps, a.end_ps) for a in result.activities if a.component == "vector" and a.end_ps > a.start_ps]
    return max(sum(start <= moment < end for start, end in intervals) for moment, _ in intervals)


def test_another_array_in_the_place_of_the_systolic_one() -> None:
    """By hand, in cubes of 16: attention of 12 layers of 12 heads of 64 x 64, 4 x 4 x 1 goes each, and the LM head of
    50,257 x 768 weights, 3,142 x 48 goes. With an unlimited port, which such a fast array would wait for.
    """
    free = "machine.sram.ports=null"
    register_component("systolic", "cube", Cube, lambda p: MatmulCube(p.side, round(p.multiply_s * 1e12)))
    config = with_part("systolic", "cube", {"side": 16, "multiply_s": 2e-9}, "leakage_gating=ungated", free)
    result, shipped = simulate(config), simulate(load_config("pim-llm", [*SMALL, free]))
    goes = 12 * 12 * 2 * 16 + 3142 * 48
    assert result.counts["systolic.go"] == goes
    assert "systolic.mac" not in result.counts
    assert "systolic.cycle" not in result.counts
    assert result.component("systolic").busy_ps == goes * 2000
    assert result.component("systolic").area_m2 == {"cubes": 6e-6}
    assert result.energies_j["systolic.go"] == near(goes * 5e-12, rel=1e-12)
    assert result.energies_j["systolic.leakage"] == near(0.25 * result.latency_s, rel=1e-12)
    assert result.latency_ps < shipped.latency_ps
    assert result.macs == shipped.macs
    other = {action: count for action, count in shipped.counts.items() if action.split(".")[0] in ("tile", "memory")}
    assert other
    assert other.items() <= result.counts.items()
    assert isinstance(build_machine(shipped.config.machine).systolic, Systolic)


def test_a_config_with_an_outside_part_comes_back_from_its_text() -> None:
    config = with_part("vector", "several", {"units": 2, "clock_hz": 1e9})
    assert load_config_text(dump_config(config)) == config


# --- errors ---------------------------------------------------------------------------------------------------------


def problems_of(slot: str, kind: str, parameters: Mapping[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        simulate(with_part(slot, kind, parameters))
    return str(caught.value)


def test_an_unknown_kind() -> None:
    assert "machine.outside.vector.kind: 'several' is not a registered vector component" in problems_of(
        "vector", "several", {}
    )
    assert "registered: none" in problems_of("vector", "several", {})
    register_component("vector", "several", Many, vector_units(load_config("pim-llm")))
    register_component("systolic", "cube", Cube, lambda p: MatmulCube(p.side, 1))
    text = problems_of("vector", "severa", {})
    assert "machine.outside.vector.kind" in text
    assert "did you mean several?" in text
    # A kind is known for its slot alone.
    assert "is not a registered systolic component" in problems_of("systolic", "several", {})
    assert "registered: cube" in problems_of("systolic", "several", {})


def test_an_unknown_slot() -> None:
    with pytest.raises(ConfigError, match=r"machine\.outside\.mesh"):
        with_part("mesh", "several", {})
    with pytest.raises(ValueError, match="unknown slot 'mesh'; known: systolic, controller, vector, sram, memory"):
        register_component("mesh", "several", Many, lambda p: p)  # type: ignore[arg-type]


def test_bad_parameters_are_all_named_by_path() -> None:
    register_component("vector", "several", Many, vector_units(load_config("pim-llm")))
    text = problems_of("vector", "several", {"units": 9, "clock": 1})
    for path in ("units", "clock_hz", "clock"):
        assert f"machine.outside.vector.parameters.{path}: " in text
    assert "machine.outside.vector.parameters.units: " in problems_of(
        "vector", "several", {"units": "two", "clock_hz": 1e9}
    )


class Validated(BaseModel):
    count: int

    @field_validator("count")
    @classmethod
    def _is_known(cls, value: int) -> int:
        return {1: 1}[value]


def test_a_model_of_parameters_that_fails_is_named_with_its_line() -> None:
    register_component("vector", "own", Validated, VectorUnit)
    said = r"'own'.*: the model of its parameters raises KeyError: 2 \(line \d+ of test_registry\.py\)"
    with pytest.raises(PluginError, match=said):
        build_machine(with_part("vector", "own", {"count": 2}).machine)


def test_parameters_take_unit_strings() -> None:
    own = load_config("pim-llm", SMALL)
    register_component("vector", "several", Many, vector_units(own))
    plain = result_of(1, 5e8)
    assert simulate(with_part("vector", "several", {"units": 1, "clock_hz": "500 MHz"})).ops == plain.ops


def test_an_incomplete_component_is_named_with_what_it_lacks() -> None:
    class Nothing(Parameters):
        pass

    class Half:
        name = "vector"

        def work(self, share: VectorShare) -> Work:
            raise AssertionError(share)

    register_component("vector", "half", Nothing, lambda _: Half())  # type: ignore[arg-type,return-value]
    text = problems_of("vector", "half", {})
    assert "machine.outside.vector: 'Half' is not a component: it lacks " in text
    lacking = text.split("it lacks ")[1].strip().split(", ")
    assert sorted(lacking) == ["action_energies_j", "areas", "latency_ps", "leakage_w", "softmax_passes", "units"]


def test_a_name_is_taken_once() -> None:
    factory = vector_units(load_config("pim-llm"))
    register_component("vector", "several", Many, factory)
    register_component("vector", "several", Many, factory)  # the same again: a module that is imported twice
    register_component("systolic", "several", Many, factory)
    with pytest.raises(ValueError, match="the vector component 'several' is already registered"):
        register_component("vector", "several", Cube, factory)
    assert registered_kinds("vector") == registered_kinds("systolic") == ("several",)


# --- found through an installed package -----------------------------------------------------------------------------


@dataclass
class EntryPoint:
    function: Callable[[], None]
    value: str = "package.module:register"
    dist: None = None

    def load(self) -> Callable[[], None]:
        return self.function


def test_entry_points_are_asked_when_a_kind_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    own, asked = load_config("pim-llm", SMALL), list[str]()

    def register() -> None:
        register_component("vector", "several", Many, vector_units(own))

    def entry_points(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint(register)]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    simulate(own)
    assert asked == []
    assert result_of(2, 1e9).component("vector").units == 2
    assert asked == [ENTRY_POINT_GROUP] == ["pimsim.hardware"]
    result_of(2, 1e9)
    assert len(asked) == 1
    assert "did you mean several?" in problems_of("vector", "severall", {"units": 1, "clock_hz": 1e9})
