"""Registered kinds of tile: their effect on placement, traffic, energy, area and loading, and the errors for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pimsim import load_config, load_weights, simulate
from pimsim.base.errors import ConfigError, PluginError
from pimsim.config.schema import Config
from pimsim.config.schema.quantities import Section
from pimsim.hardware.array_pass import Phase
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.machine import build_machine
from pimsim.hardware.matrix_tile import MatrixTile, TilesShare
from pimsim.hardware.registry import register_component
from pimsim.hardware.row_writer import RowWriter
from pimsim.hardware.tile_kinds import build_tile, check_pair, has_pair, register_tile
from pimsim.hardware.weight_grid import Sizes, TileUse, weight_grid
from pimsim.hardware.weight_programming import ProgrammingShare
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.steps.step_tree import Step, Work, action_counts
from pimsim.studies.array.array_study import study_array
from tests.oracles import naive_schedule
from tests.support.closeness import near
from tests.support.outside_kinds import PARAMETERS, install, restored_kinds, sram_config
from tests.support.programs import program_of
from workloads.decoder_ops import decode_step
from workloads.models import find_model
from workloads.ops import Projection
from workloads.trace import Block, Trace

CYCLE_PS = 2000
SMALL = PARAMETERS | {"rows": 32, "columns": 16, "macros": 2}


@pytest.fixture(autouse=True)
def _installed_for_one_test_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install(tmp_path, monkeypatch)
    with restored_kinds():
        yield


def sram(*overrides: str, **more: Any) -> Config:
    return load_config(sram_config(**more), overrides)


def one_matrix(vectors: int = 3) -> Trace:
    """A matrix of 100 x 50 weights: blocks of 32 x 16, so 4 x 4 blocks, two of which are in a tile."""
    op = Projection("q_proj", ("input",), "q", 100, 50, vectors, weight_bits=1, activation_bits=8)
    block = Block(name="layer", repeat=1, ops=(op,))
    return Trace(model="matrix", phase="decode", context_length=1, tokens=1, blocks=(block,))


def test_one_matrix_by_hand() -> None:
    config = sram("schedule=serial", parameters=SMALL)
    result = simulate(config, one_matrix())
    (op,) = result.ops
    assert (result.tiles.tiles_used, result.tiles.pairs_used) == (8, 16)
    # Eight bit planes and one addition per macro, for each vector.
    assert op.parts_ps["digital"] == 3 * (8 + 2) * CYCLE_PS
    assert op.counts["tile.product"] == 3 * 8 * 100 * 50
    tile = result.component("tile")
    assert (tile.units, tile.area_m2) == (8, {"SRAM macros": near(8 * 2 * 1000e-12)})
    # 12,700 = 100 x 127 and its negative fit 15 bits; a tile of 64 rows sends up to 64 x 127 = 8,128, in 14 bits. The
    # fourth tile of each column has rows 64 to 99, 36 x 127 = 4,572, likewise 14 bits. Columns: 3 x 16 and 2.
    (plan,) = plan_tiles(config, one_matrix()).blocks[0][0].matrices.values()
    assert plan.output_bits == 15
    assert plan.mesh.messages is not None
    assert plan.mesh.messages.merged_bits == 6 * (16 * 14,) + 2 * (2 * 14,)


def test_weights_are_written_row_by_row() -> None:
    machine = build_machine(sram(parameters=SMALL).machine)
    assert machine.programming is not None
    share = ProgrammingShare(weight_grid(100, 50, 32, 16, 2))
    work = machine.programming.work(share)
    assert naive_schedule.replay(work)[0] == machine.programming.latency_ps(share) == 64 * CYCLE_PS
    assert action_counts(work) == {"programming.weight_write": 100 * 50}


@pytest.mark.parametrize("overrides", [(), ("machine.mesh.routes=trace",), ("mapping.provisioning=per_layer",)])
def test_the_engine_takes_the_time_of_the_closed_form(overrides: tuple[str, ...]) -> None:
    config = sram("schedule=serial", *overrides)
    trace = decode_step(replace(find_model("gpt2-small"), layers=2), 64)
    result = simulate(config, trace)
    assert result.latency_ps == program_of(config, trace).serial_latency_ps()
    assert simulate(config, trace, expand=True).latency_ps == result.latency_ps
    overlapping = [
        simulate(sram(f"schedule={each}", *overrides), trace).latency_ps for each in ("dataflow", "contended")
    ]
    assert all(0 < each <= result.latency_ps for each in overlapping)


def test_equal_matrices_are_all_written() -> None:
    """Five equal layers, each a matrix of 100 x 50 weights; they are written at the same time."""
    trace = one_matrix()
    layers = replace(trace, blocks=(replace(trace.blocks[0], repeat=5),))
    config = sram(parameters=SMALL)
    assert simulate(config, layers).provision.load_counts["programming.weight_write"] == 5 * 100 * 50
    load = load_weights(config, layers)
    assert load.counts["programming.weight_write"] == 5 * 100 * 50
    machine = build_machine(config.machine)
    assert machine.programming is not None
    grid = weight_grid(100, 50, 32, 16, 2)
    assert machine.programming.latency_ps(ProgrammingShare(grid, 5)) == 64 * CYCLE_PS
    assert "tiles are of the registered kind sram" in " ".join(load.notes)


def test_layers_are_swapped_into_registered_tiles() -> None:
    """A layer of GPT-2 small takes 12 + 18 of 36 tiles, so that all but one layer pass through the others in turn."""
    chip = ("machine.crossbar.banks=1", "machine.mesh.rows=6", "machine.mesh.columns=6")
    result = simulate(sram("mapping.provisioning=swap", *chip))
    swapped, weights = result.provision.layers_swapped, 768 * (4 * 768 + 2 * 3072)
    assert swapped > 0
    assert result.counts["programming.weight_write"] == swapped * weights


def test_the_crossbar_tile_from_outside_changes_nothing() -> None:
    """The shipped kind takes the same path: its own class, registered as a kind, gives the same result."""
    register_tile("same", Section, lambda _, crossbar: CrossbarTile(crossbar))
    shipped = simulate(load_config(sram_config() | {"machine": {}}))
    outside = simulate(sram(parameters={}, kind="same"))
    assert (outside.latency_ps, outside.ops, outside.components) == (
        shipped.latency_ps,
        shipped.ops,
        shipped.components,
    )
    assert (outside.provision, outside.weight_load_ps) == (shipped.provision, shipped.weight_load_ps)
    assert "SNR of arrays" in outside.notes[0]


@dataclass(frozen=True, slots=True)
class ReadInTurn(CrossbarTile):
    """An array kind: the two arrays of a pair are read one after the other."""

    def array_pass(
        self, use: TileUse, rows_of_pes: Sizes, columns_of_pes: Sizes, phase: Phase | None = None
    ) -> tuple[Step, ...]:
        steps = CrossbarTile.array_pass(self, use, rows_of_pes, columns_of_pes, phase)
        return tuple(replace(step, repeat=2, counts=()) if step.part == "crossbar" else step for step in steps)

    def array_pass_ps(self, use: TileUse, phase: Phase | None = None) -> int:
        return CrossbarTile.array_pass_ps(self, use, phase) + round(self.config.pair.read_pulse_s * 1e12)


def test_an_array_kind_changes_one_pass() -> None:
    """Each of the 8 planes x row groups x column groups has one more read pulse."""
    register_tile("in-turn", Section, lambda _, crossbar: ReadInTurn(crossbar))
    config = sram(parameters={}, kind="in-turn")
    tile = build_tile(config.machine)
    assert isinstance(tile, ReadInTurn)
    share = TilesShare(tile.grid(100, 50), 8, 2)
    array, pair = tile.config.pair.array, tile.config.pair
    passes = 8 * -(-100 // array.driven_rows) * -(-50 // array.adc_count)
    more_ps = 2 * passes * round(pair.read_pulse_s * 1e12)
    assert tile.latency_ps(share) - CrossbarTile(tile.config).latency_ps(share) == more_ps
    assert naive_schedule.replay(tile.work(share))[0] == tile.latency_ps(share)
    assert has_pair(config.machine)
    check_pair(config, "multiply")  # the numbers are those of the pair, so accuracy is not refused


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_kind_without_arrays_has_no_array_study() -> None:
    message = (
        r"sram: cannot study an array: its tiles are of the registered kind 'sram', which has no analog array model"
    )
    with pytest.raises(ConfigError, match=message):
        study_array(sram())


def test_an_unknown_kind_names_the_registered_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"machine.outside.tile.kind.*'sran' is not a registered tile component"
    ) as caught:
        simulate(sram(kind="sran"))
    assert "registered: sram" in str(caught.value)
    assert "pimsim.hardware" in str(caught.value)


def test_a_kind_that_lacks_methods_is_refused() -> None:
    class Half(MatrixTile):
        name = "tile"

    register_tile("half", Section, lambda *_: Half())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"it lacks .*blocks.*programming"):
        simulate(sram(parameters={}, kind="half"))
    with pytest.raises(ValueError, match="register_tile"):
        register_component("tile", "half", Section, Half)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class NoEnergy(RowWriter):
    def action_energies_j(self) -> dict[str, float]:
        return {}


@dataclass(frozen=True, slots=True)
class Contradicts(RowWriter):
    def latency_ps(self, share: ProgrammingShare) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Raises(RowWriter):
    def work(self, share: Any) -> Work:
        raise RuntimeError("driver broken")


@dataclass(frozen=True, slots=True)
class OwnDrivers(CrossbarTile):
    """The shipped tile with other write drivers, or with none."""

    drivers: Any = None

    def programming(self) -> Any:
        return self.drivers(CYCLE_PS, 1e-14)


@pytest.mark.parametrize(
    ("drivers", "error", "message"),
    [
        (NoEnergy, ConfigError, r"tile: 'programming' counts the action 'programming.weight_write', .* no energy"),
        (Contradicts, ConfigError, r"tile: 'programming' contradicts itself: .* latency_ps 1 ps \(op 'load weights'\)"),
        (Raises, PluginError, r"tile component 'own': work raises RuntimeError: driver broken \(line \d+ of test_tile"),
        (lambda *_: None, ConfigError, r"machine.outside.tile: 'NoneType' is not a component: it lacks .*work"),
        (lambda _: None, PluginError, r"tile component 'own': programming raises TypeError"),
    ],
)
def test_write_drivers_are_checked_before_a_load(drivers: Any, error: type[Exception], message: str) -> None:
    register_tile("own", Section, lambda _, crossbar: OwnDrivers(crossbar, drivers=drivers))
    config = sram("workload.phase=load", parameters={}, kind="own")
    for run in (simulate, load_weights):
        with pytest.raises(error, match=message):
            run(config, one_matrix())


def test_a_row_writer_does_not_test_cells() -> None:
    """With column remapping a kind with arrays also tests its cells, which does not write weights."""
    register_tile("own", Section, lambda _, crossbar: OwnDrivers(crossbar, drivers=RowWriter))
    load = load_weights(sram(parameters={}, kind="own"), one_matrix())
    assert load.counts["programming.weight_write"] == 100 * 50
    with pytest.raises(PluginError, match=r"RowWriter has no fault test; .*remapping=none"):
        simulate(sram("machine.crossbar.pair.array.remapping=columns", parameters={}, kind="own"), one_matrix())
