"""A registered tile with any wrong answer ends in one sentence that names it, before a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError, PluginError
from pimsim.config.schema.quantities import Section
from pimsim.hardware.buffer import Sram
from pimsim.hardware.component import Area
from pimsim.hardware.machine import build_machine
from pimsim.hardware.matrix_tile import Blocks
from pimsim.hardware.outside_component import CheckedComponent
from pimsim.hardware.registry import register_component
from pimsim.hardware.row_writer import RowWriter
from pimsim.hardware.tile_kinds import register_tile
from pimsim.hardware.weight_grid import weight_grid
from pimsim.steps.step_tree import Copies, Sequence, Step
from tests.support.outside_kinds import restored_kinds, sram_config
from tests.support.outside_tile import GOOD, Tile
from workloads.ops import Dequantise, Projection
from workloads.trace import Block, Trace

NAN = float("nan")


def step(**wrong: Any) -> Step:
    return replace(GOOD, **wrong)


@pytest.fixture(autouse=True)
def _registered_for_one_test_only() -> Iterator[None]:
    with restored_kinds():
        yield


def run(wrong: dict[str, Any]) -> int:
    register_tile("own", Section, lambda *_: Tile(wrong))  # type: ignore[arg-type]
    op = Projection("q_proj", ("input",), "q", 64, 64, 1, weight_bits=1, activation_bits=8)
    sums = Dequantise("sums", ("q_proj",), vectors=1, elements=64)
    block = Block(name="layer", repeat=1, ops=(op, sums))
    trace = Trace(model="matrix", phase="decode", context_length=1, tokens=1, blocks=(block,))
    return simulate(load_config(sram_config({}, kind="own"), ["schedule=serial"]), trace).latency_ps


def test_the_right_answers_run() -> None:
    assert run({}) > 2000


@pytest.mark.parametrize(
    "method", ["blocks", "programming", "work", "latency_ps", "action_energies_j", "areas", "leakage_w", "sum_bits"]
)
def test_an_exception_names_the_tile(method: str) -> None:
    with pytest.raises(
        PluginError, match=rf"^tile component 'own': {method} raises KeyError: 'k' \(line \d+ of outside_tile"
    ):
        run({method: KeyError("k")})


@pytest.mark.parametrize(
    ("method", "answer", "message"),
    [
        ("name", 5, "name is 5, not a text without dots"),
        ("blocks", (64, 64, 1), r"blocks is \(64, 64, 1\), not Blocks"),
        ("blocks", Blocks(0, 64, 1), "rows of blocks is 0, not a whole number"),
        ("blocks", Blocks(64, 64, -1), "per_tile of blocks is -1"),
        ("programming", RowWriter(2000, NAN), "the energy of 'weight_write' is nan"),
        ("work", 5, "work is 5, not a step"),
        ("work", None, "work is null"),
        ("latency_ps", 2000.0, r"latency_ps is 2000\.0, not a whole number"),
        ("latency_ps", -1, "latency_ps is -1"),
        ("action_energies_j", {"product": NAN}, "the energy of 'product' is nan, not a finite number of joules"),
        ("action_energies_j", {"product": -1e-15}, "the energy of 'product' is -1e-15"),
        ("action_energies_j", {"product": "2 fJ"}, "the energy of 'product' is '2 fJ'"),
        ("action_energies_j", None, "action_energies_j is null, not a dictionary"),
        ("areas", 1e-8, "areas is 1e-08, not a tuple of Area"),
        ("areas", (Area("macros", float("inf"), 1),), "each_m2 of the area 'macros' is inf"),
        ("areas", (Area("macros", 1e-8, -2),), "count of the area 'macros' is -2"),
        ("leakage_w", None, "leakage_w is null, not a finite number of watts"),
        ("leakage_w", NAN, "leakage_w is nan"),
        ("sum_bits", 0.5, r"sum_bits is 0\.5"),
        ("sent_bits", (1, 2), "sent_bits is .*, not a tuple of 1 whole numbers"),
        ("tiles_needed", "one", "tiles_needed is 'one'"),
        ("grid", [], "grid is .*, not a WeightGrid"),
    ],
)
def test_a_wrong_answer_names_the_method(method: str, answer: Any, message: str) -> None:
    with pytest.raises(PluginError, match=f"tile component 'own': {message}"):
        run({method: answer})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "memory"}, "'memory' is the name of two components of the machine"),
        ({"programming": RowWriter(2000, 1e-14, "tile")}, "'tile' is the name of two components"),
        ({"programming": None}, "'NoneType' is not a component: it lacks .*work"),
        ({"work": step(duration_ps=-2000)}, "a step 'multiply' of -2000 ps"),
        ({"work": step(duration_ps=2000.5)}, r"a step 'multiply' of 2000\.5 ps"),
        ({"work": step(counts=(("tile.product", -1),))}, "that counts 'tile.product' -1 times"),
        ({"work": step(counts=(("tile.product", 0.5),))}, r"that counts 'tile.product' 0\.5 times"),
        ({"work": step(counts=None)}, "has counts of null"),
        ({"work": step(component="tyle")}, "has steps of the component 'tyle'; the machine has systolic, "),
        ({"work": Copies(GOOD, -3)}, "a node Copies of -3 times"),
        ({"work": Sequence((GOOD, None))}, "has null in its work"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_machine_or_step_names_the_config(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^sram: machine\.outside\.tile: .*{message}"):
        run(wrong)


@pytest.mark.parametrize("parameters", [dict, 5, None])
def test_parameters_that_are_no_model_are_refused_when_registered(parameters: Any) -> None:
    with pytest.raises(ValueError, match="the parameters of the tile component 'own' must be a pydantic model"):
        register_tile("own", parameters, lambda *_: Tile({}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the parameters of the vector component 'own' must be a pydantic model"):
        register_component("vector", "own", parameters, lambda _: Tile({}))  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="the factory of the vector component 'own' must be a function"):
        register_component("vector", "own", Section, None)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Buffer(Sram):
    """A buffer from outside that derives from the shipped one."""


def test_a_class_that_derives_from_a_shipped_one_stays_one_of_it() -> None:
    base = load_config("tpu-llm")
    register_component("sram", "own", Section, lambda _: Buffer(base.machine.sram))
    chosen = load_config({"extends": "tpu-llm", "machine": {"outside": {"sram": {"kind": "own", "parameters": {}}}}})
    machine, again = build_machine(chosen.machine), build_machine(chosen.machine)
    assert isinstance(machine.sram, Buffer)
    assert isinstance(machine.sram, Sram)  # so that the port of the buffer is simulated
    assert machine.sram.stream(64, 0) == build_machine(base.machine).sram.stream(64, 0)
    assert machine.sram == again.sram
    assert hash(machine.sram) == hash(again.sram)
    other: Any = build_machine(base.machine).vector
    assert machine.sram != other


# --- answers at the limit of what is valid, and just beyond it --------------------------------------------------------

GRID = weight_grid(4, 4, 4, 4, 1)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "latency_ps": (None,),
    "operand_bytes": (None,),
    "tiles_needed": (1, 1),
    "sum_bits": (1, 1),
    "sent_bits": (GRID, 8),
}


class Part:
    """A component with the answers that it is given, as values of its attributes or as those of its methods."""

    name, units, has_pair = "own", 1, False

    def __init__(self, **answers: Any) -> None:
        every = {"areas": (), "leakage_w": 0, "action_energies_j": {}, "blocks": Blocks(1, 1, 1)} | answers
        for name, answer in every.items():
            plain = name in ("name", "units", "note", "_hidden")
            setattr(self, name, answer if plain else lambda *_, answer=answer: answer)


def asked(method: str, answer: Any) -> Any:
    """What a checked component answers."""
    checked = CheckedComponent(Part(**{method: answer}), "part 'own'", "tile")
    found = getattr(checked, method)
    return found(*ARGUMENTS.get(method, ())) if callable(found) else found


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("name", "a"),
        ("units", 1),
        ("areas", (Area("macros", 0.0, 0),)),
        ("leakage_w", 0),
        ("action_energies_j", {"product": 0}),
        ("blocks", Blocks(1, 1, 1)),
        ("latency_ps", 0),
        ("operand_bytes", (0, 1)),
        ("operand_bytes", (1, 0)),
        ("softmax_passes", 1),
        ("tiles_needed", 1),
        ("sum_bits", 1),
        ("sent_bits", (0,)),
    ],
)
def test_the_least_valid_answer_is_passed_on(method: str, answer: Any) -> None:
    assert asked(method, answer) == answer


@pytest.mark.parametrize(
    ("method", "answer", "message"),
    [
        ("name", "", "name is '', not a text without dots"),
        ("name", "a.b", "name is 'a.b'"),
        ("units", 0, "units is 0, not a whole number .* of at least 1"),
        ("units", True, "units is true"),
        ("areas", (Area("macros", True, 1),), "each_m2 of the area 'macros' is true"),
        ("areas", (Area("macros", -1.0, 1),), "each_m2 of the area 'macros' is -1"),
        ("areas", (Area("macros", 1.0, -1),), "count of the area 'macros' is -1"),
        ("areas", (1,), "areas is"),
        ("leakage_w", -1e-9, "leakage_w is -1e-09, not a finite number of watts of at least 0"),
        ("action_energies_j", {5: 1.0}, "action_energies_j is"),
        ("blocks", Blocks(1, 0, 1), "columns of blocks is 0"),
        ("latency_ps", -1, "latency_ps is -1, not a whole number .* of at least 0"),
        ("operand_bytes", (0, -1), "operand_bytes is .*, not a pair of whole numbers"),
        ("operand_bytes", (-1, 0), "operand_bytes is"),
        ("operand_bytes", (1.0, 1), "operand_bytes is"),
        ("operand_bytes", (1,), "operand_bytes is"),
        ("operand_bytes", (1, 2, 3), "operand_bytes is"),
        ("operand_bytes", 5, "operand_bytes is 5"),
        ("softmax_passes", 0, "softmax_passes is 0, not a whole number .* of at least 1"),
        ("tiles_needed", 0, "tiles_needed is 0"),
        ("sum_bits", 0, "sum_bits is 0"),
        ("sent_bits", (-1,), "sent_bits is"),
        ("sent_bits", (0.5,), "sent_bits is"),
        ("sent_bits", (), "sent_bits is .*, not a tuple of 1 whole numbers"),
        ("sent_bits", None, "sent_bits is null"),
    ],
)
def test_an_answer_beyond_the_limit_is_refused(method: str, answer: Any, message: str) -> None:
    with pytest.raises(PluginError, match=f"^part 'own': {message}"):
        asked(method, answer)


def test_further_attributes_are_passed_on_and_private_ones_are_hidden() -> None:
    part = Part(note="text", extra=7, _hidden=1)
    checked = CheckedComponent(part, "part 'own'")
    assert (checked.note, checked.extra()) == ("text", 7)
    with pytest.raises(AttributeError, match="_hidden"):
        getattr(checked, "_hidden")  # noqa: B009 - the name is hidden from what follows a dot
    assert checked == CheckedComponent(part, "the same")
    assert checked == part
    assert checked != CheckedComponent(Part(), "another")
