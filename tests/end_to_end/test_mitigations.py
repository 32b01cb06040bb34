"""Costs of mitigations: spare columns, remapping, write-verify, calibration and row limits."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.verification import expected_write_pulses, write_pulses
from pimsim import ArrayStudyOptions, load_config, simulate, study_array
from pimsim.base.units import to_ps
from pimsim.hardware.weight_grid import weight_grid
from pimsim.hardware.weight_programming import FaultTestShare, Programming, ProgrammingShare
from pimsim.present.text.run_report import print_run
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_result, write_result
from pimsim.steps.step_tree import action_counts, expanded
from tests.oracles import naive_schedule, naive_tiles
from tests.support import component_strategies
from tests.support.closeness import near
from tests.support.counts import scaled

PAIR = "machine.crossbar.pair"
LIGHT = ArrayStudyOptions(rows=256, chips=1, source_chips=0, adc_bits=())
SPARES = [f"{PAIR}.array.spare_columns=16", f"{PAIR}.array.remapping=spares"]
VERIFIED = [f"{PAIR}.noise.write_verify.tolerance=0.01", f"{PAIR}.noise.write_verify.max_pulses=5"]
FREE_PORT = "machine.sram.ports=null"
CALIBRATED = ["machine.crossbar.calibration_vectors=32"]


def run(*settings: str) -> RunResult:
    return simulate(load_config("pim-llm", list(settings)))


@pytest.fixture(scope="module")
def plain() -> RunResult:
    return run()


@st.composite
def verifying(draw: st.DrawFn) -> tuple[Programming, tuple[int, int]]:
    """Draw write drivers that verify and test, and the shape of a matrix."""
    config = draw(component_strategies.crossbar_configs())
    pair = config.pair
    verify = pair.noise.write_verify.model_copy(
        update={"tolerance": draw(st.floats(0.01, 3)), "max_pulses": draw(st.integers(1, 20))}
    )
    spares = draw(st.integers(0, pair.array.columns - 1))
    changed: dict[str, Any] = {
        "noise": pair.noise.model_copy(update={"write_verify": verify}),
        "array": pair.array.model_copy(update={"spare_columns": spares, "remapping": "columns"}),
    }
    config = config.model_copy(update={"pair": pair.model_copy(update=changed)})
    return Programming(config), (draw(st.integers(1, 20)), draw(st.integers(1, 20)))


@given(case=verifying())
@settings(max_examples=scaled(60, 1000))
def test_the_closed_form_equals_the_engine(case: tuple[Programming, tuple[int, int]]) -> None:
    programming, shape = case
    config, pair = programming.config, programming.config.pair
    array = pair.array
    grid = weight_grid(*shape, array.rows, array.usable_columns, config.pes_per_tile)
    tiles = naive_tiles.grid_tiles(*shape, array.rows, array.usable_columns, config.pes_per_tile)
    arrays = pair.encoding.arrays
    programmed, tested = ProgrammingShare(grid), FaultTestShare(grid)
    pulses = write_pulses(pair)

    def read_s(columns: int) -> float:
        groups = -(-columns // array.adcs)
        mux_s = groups * config.digital.column_mux_s
        return pair.dac.conversion_s + pair.read_pulse_s + groups * (mux_s + pair.adc.conversion_s)

    def row_ps(columns: int) -> int:
        rounds = pulses.expected_slowest(columns)
        return 2 * to_ps(pair.cell.write_pulse_s * rounds) + to_ps(read_s(columns) * rounds)

    def columns_of(used: naive_tiles.Pair) -> int:
        return len(used.columns) + naive_tiles.references_of(pair, len(used.columns))

    wanted = max(arrays * sum(len(p.rows) * row_ps(columns_of(p)) for p in tile) for tile in tiles)
    columns = array.columns + naive_tiles.references_of(pair, array.columns)
    row_of_test_ps = 2 * (to_ps(pair.cell.write_pulse_s) + to_ps(read_s(columns)))
    wanted_of_test = max(map(len, tiles)) * arrays * array.rows * row_of_test_ps
    written, all_cells = arrays * shape[0] * shape[1], arrays * array.rows * columns * sum(map(len, tiles))
    references = naive_tiles.reference_cells(pair, tiles, 1)
    verify = dict.fromkeys(("programming.verify_read", "programming.verify_conversion"), written + references)
    verify["programming.cell_write"] = written
    if references:
        verify["programming.reference_write"] = references
    test = dict.fromkeys(("test_write", "test_read", "test_conversion"), 2 * all_cells)
    for share, end_ps, counts in (
        (programmed, wanted, verify),
        (tested, wanted_of_test, {f"programming.{action}": count for action, count in test.items()}),
    ):
        for work in (programming.work(share), expanded(programming.work(share))):
            assert naive_schedule.replay(work)[0] == programming.latency_ps(share) == end_ps
            assert action_counts(work) == counts
    energies = programming.action_energies_j()
    assert {action.partition(".")[2] for action in (*verify, *(f"x.{each}" for each in test))} == energies.keys()
    assert energies["cell_write"] == near(pair.cell.write_energy_j * expected_write_pulses(pair))


def test_spare_columns_cost_tiles_time_energy_and_area(plain: RunResult) -> None:
    spare = run(*SPARES)
    assert spare.tiles.pairs_used > plain.tiles.pairs_used
    assert spare.area_m2 > plain.area_m2
    assert spare.energy_j > plain.energy_j
    assert spare.feasibility.weight_load_s > plain.feasibility.weight_load_s
    more = run(f"{PAIR}.array.spare_columns=64", SPARES[1])
    assert more.tiles.pairs_used > spare.tiles.pairs_used
    assert more.area_m2 > spare.area_m2


def test_the_fault_test_of_cells_equals_a_hand_calculation(plain: RunResult) -> None:
    """Four pairs of two arrays a tile, 256 rows each: two pulses of 10 ns, two reads with two groups of conversions."""
    tested = run(f"{PAIR}.array.remapping=columns")
    read_ps = to_ps(3e-9 + 3.16e-9 + 2 * (2 * 0.032744e-9 + 8e-9))
    seconds = 4 * 2 * 256 * 2 * (10_000 + read_ps) * 1e-12
    feasibility = tested.feasibility
    assert feasibility.test_s == near(seconds)
    assert feasibility.weight_load_s == near(plain.feasibility.weight_load_s + seconds)
    cells = 2 * 256 * 256 * tested.tiles.pairs_used
    read_j = 0.15**2 * 3.16e-9 * (1e-4 + 1e-6) / 2
    conversion_j = tested.action_energies_j["tile.adc_conversion"]
    assert feasibility.test_energy_j == near(2 * cells * (9e-12 + read_j + conversion_j))
    assert (tested.latency_ps, tested.energy_j, tested.area_m2) == (plain.latency_ps, plain.energy_j, plain.area_m2)


def test_write_verify_needs_more_pulses(plain: RunResult) -> None:
    verified = run(*VERIFIED)
    pulses = expected_write_pulses(load_config("pim-llm", VERIFIED).machine.crossbar.pair)  # type: ignore[union-attr]
    assert 1.2 < pulses < 2
    assert verified.feasibility.pulses_per_write == pulses
    energies = verified.dynamic_energy_j(verified.provision.load_counts)
    plain_j = plain.dynamic_energy_j(plain.provision.load_counts)["programming.cell_write"]
    assert energies["programming.cell_write"] == near(plain_j * pulses)
    # A conversion for each pulse on a cell, which reads it back.
    adc = load_config("pim-llm").machine.crossbar.pair.adc  # type: ignore[union-attr]
    writes = plain.provision.load_counts["programming.cell_write"]
    assert energies["programming.verify_conversion"] == near(writes * pulses * adc.energy_per_conversion_j)
    # The memory that weights come from is slower than their programming, and so is the port of the global buffer; where
    # they are not, programming shows its time.
    fast = ["machine.memory.channels=1024", FREE_PORT]
    assert run(*VERIFIED, *fast).feasibility.weight_load_s > run(*fast).feasibility.weight_load_s
    assert (verified.latency_ps, verified.energy_j) == (plain.latency_ps, plain.energy_j)


def test_swapped_layers_are_verified_during_the_run_and_wear_faster() -> None:
    settings = ["mapping.provisioning=swap", "machine.mesh.rows=32", "machine.mesh.columns=32", FREE_PORT]
    plain, verified = run(*settings), run(*settings, *VERIFIED)
    assert plain.feasibility.layers_swapped
    assert verified.latency_ps > plain.latency_ps
    assert verified.energy_j > plain.energy_j
    pulses = verified.feasibility.pulses_per_write
    assert verified.feasibility.lifetime_tokens == near((plain.feasibility.lifetime_tokens or 0) / pulses)
    assert verified.feasibility.writes_per_token == near(plain.feasibility.writes_per_token * pulses)


def test_calibration_multiplies_before_the_run(plain: RunResult) -> None:
    calibrated, twice = run(*CALIBRATED), run("machine.crossbar.calibration_vectors=64")
    assert calibrated.feasibility.calibration_s > 0
    assert twice.feasibility.calibration_s == near(2 * calibrated.feasibility.calibration_s)
    assert twice.feasibility.calibration_energy_j == near(2 * calibrated.feasibility.calibration_energy_j)
    dynamic_j = plain.dynamic_energy_j(plain.counts)  # the calibration is charged without leakage
    per_token = sum(each for action, each in dynamic_j.items() if action.startswith("tile."))
    assert calibrated.feasibility.calibration_energy_j == near(32 * per_token)
    for figure in ("weight_load_s", "weight_load_energy_j"):
        calibration = {"weight_load_s": "calibration_s", "weight_load_energy_j": "calibration_energy_j"}[figure]
        extra = getattr(calibrated.feasibility, calibration)
        assert getattr(calibrated.feasibility, figure) == near(getattr(plain.feasibility, figure) + extra)
    assert (calibrated.latency_ps, calibrated.energy_j) == (plain.latency_ps, plain.energy_j)
    assert run(*CALIBRATED, f"{PAIR}.adc.range=full").feasibility.calibration_s == 0


@pytest.mark.parametrize("rows_at_once", [1, 16, 37, 64, 256])
def test_row_limits_need_more_passes(rows_at_once: int, plain: RunResult) -> None:
    """A pass for each group of rows: conversions grow with them, in time and in the numbers alike."""
    limited = run(f"{PAIR}.array.rows_at_once={rows_at_once}")
    groups, groups_plain = -(-256 // rows_at_once), 2
    conversions, before = (each.counts["tile.adc_conversion"] for each in (limited, plain))
    assert conversions * groups_plain == before * groups  # gpt2-medium's matrices fill whole arrays
    assert (limited.latency_ps > plain.latency_ps) == (groups > groups_plain)
    config = load_config("pim-llm", [f"{PAIR}.array.rows_at_once={rows_at_once}", f"{PAIR}.wires.model=none"])
    study = study_array(config, options=replace(LIGHT, columns=16, vectors=2))
    assert study.reading.conversions == 2 * 8 * 16 * groups


def test_halving_the_rows_at_once_doubles_the_conversions_and_raises_snr_if_the_adc_limits_it() -> None:
    """A range for every possible sum: half of it, in as many codes, is a step of half the size; twice as many add up.
    That is 10 log10(4 / 2) = 3 dB.
    """
    ideal = [f"{PAIR}.wires.model=none", f"{PAIR}.adc.range=full", f"{PAIR}.noise.faults.stuck_lrs=0"]
    ideal += [f"{PAIR}.noise.faults.stuck_hrs=0"]
    found = []
    for rows in (128, 64, 32):
        config = load_config("pim-llm", [*ideal, f"{PAIR}.array.rows_at_once={rows}"])
        study = study_array(config, options=replace(LIGHT, columns=64, vectors=32))
        found.append((study.reading.conversions, study.snr_db.mean))
    (first, snr), (second, better), (third, best) = found
    assert (second, third) == (2 * first, 4 * first)
    assert better - snr == pytest.approx(3, abs=0.7)
    assert best > better


def test_mitigation_costs_are_stored_and_reported(tmp_path: Path, plain: RunResult) -> None:
    result = run(*SPARES, *VERIFIED, *CALIBRATED)
    write_result(result, tmp_path / "run.h5")
    assert read_result(tmp_path / "run.h5").feasibility == result.feasibility
    texts = []
    for each in (plain, result):
        file = io.StringIO()
        print_run(each, file)
        texts.append(file.getvalue())
    for line in ("write-verify", "test for faults", "ADC calibration"):
        assert line not in texts[0]
        assert line in texts[1]
    assert {"test_s", "calibration_s", "pulses_per_write"} <= result.to_dict()["feasibility"].keys()
