"""Passes of an array with lines, drivers, column circuits and integration: steps and counts by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.circuit_params import IntegrationParams
from crossbar.params import CrossbarParams
from pimsim.config.loading import load_config
from pimsim.hardware.array_pass import Phase, phases_of
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.weight_grid import weight_grid
from tests.crossbar.valid_params import ADC, DRIVERS, INTEGRATION, LINES, PAIR, SENSING
from tests.oracles import naive_schedule, naive_tiles
from tests.support import component_strategies
from tests.support.closeness import near

PRE = "machine.crossbar.pair"
NARROW = INTEGRATION | {"narrow_later_phases": True}
SERIAL = ADC | {"kind": "serial", "bits": 10, "energy_bits": 3, "series": "linear"}


def neurram(**integration: Any) -> CrossbarParams:
    sensing = SENSING | {"integration": NARROW | integration}
    return CrossbarParams.model_validate(PAIR | {"adc": SERIAL, "sensing": sensing})


def tile_of(**sections: Any) -> CrossbarTile:
    crossbar = load_config("pim-llm").machine.crossbar
    assert crossbar is not None
    pair = crossbar.pair.model_dump() | sections
    return CrossbarTile(crossbar.model_copy(update={"pair": CrossbarParams.model_validate(pair)}))


def counts_of(tile: CrossbarTile, rows: int, columns: int, bits: int) -> Counter[str]:
    return naive_schedule.action_counts(naive_schedule.replay(tile.work(TilesShare(tile.grid(rows, columns), bits)))[1])


# --- phases -----------------------------------------------------------------------------------------------------------


def test_phases_of_an_eight_bit_input_of_neurram() -> None:
    """7 magnitude bits: 8 + 4 + 2 + 1 steps and 10 bits, then 4 + 2 + 1 steps and 10 - 4 bits."""
    assert phases_of(neurram(), 8) == (Phase((8, 4, 2, 1), 10), Phase((4, 2, 1), 6))
    assert phases_of(neurram(), 4) == (Phase((4, 2, 1), 10),)
    assert phases_of(neurram(), 1) == (Phase((1,), 10),)
    shared = neurram(weighting="charge_sharing", narrow_later_phases=False)
    assert phases_of(shared, 8) == (Phase((1, 1, 1, 1), 10), Phase((1, 1, 1), 10))


@given(pair=component_strategies.pairs(), bits=st.integers(1, 16))
def test_phases_have_all_planes_once(pair: CrossbarParams, bits: int) -> None:
    integration = pair.sensing.integration
    found = phases_of(pair, bits)
    signed = pair.encoding.activations == "twos_complement"
    planes = naive_tiles.plane_count(bits, pair.dac.bits, signed, integration)
    dealt = naive_tiles.phases(planes, integration) if integration else [1] * planes
    assert [len(phase.steps) for phase in found] == dealt
    assert all(1 <= phase.adc_bits <= pair.adc.bits for phase in found)


@given(planes=st.integers(1, 16), most=st.integers(1, 16), phases=st.integers(1, 16))
def test_planes_are_dealt_like_cards(planes: int, most: int, phases: int) -> None:
    integration = IntegrationParams(**INTEGRATION | {"one_phase_planes": most, "phases": phases})
    assert list(integration.split(planes)) == naive_tiles.phases(planes, integration)


# --- counts and energies ----------------------------------------------------------------------------------------------


def test_circuits_of_one_array_are_counted_in_every_read() -> None:
    """256 x 256 weights, pairs, 128 DACs and 128 ADCs, 8-bit inputs: 2 x 2 groups x 8 planes = 32 reads.

    A read drives 128 rows of both arrays, senses 128 columns, and converts them once.
    """
    sensing = SENSING | {"mode": "voltage", "clamp_energy_j": 1e-15, "sample_energy_j": 2e-15}
    tile = tile_of(lines=LINES, drivers=DRIVERS, sensing=sensing)
    counts = counts_of(tile, 256, 256, 8)
    rows = ("word_line", "select_line", "row_driver")
    assert {name: counts[f"tile.{name}"] for name in rows} == dict.fromkeys(rows, 32 * 2 * 128)
    assert counts["tile.bit_line"] == 32 * 2 * 128
    assert counts["tile.clamp"] == counts["tile.sample"] == 32 * 128
    energies = tile.action_energies_j()
    assert energies["word_line"] == near(0.1 * 256e-15 * 0.15**2)
    assert energies["select_line"] == near(585.6e-15 * 1.3 * 2.2)
    assert energies["bit_line"] == near(256e-15 * 0.1 * 0.15)
    assert (energies["row_driver"], energies["clamp"], energies["sample"]) == (0.5e-12, 1e-15, 2e-15)
    areas = {area.item: (area.count, area.each_m2) for area in tile.areas()}
    assert areas["row drivers"] == (2 * 256 * 4, 1e-9)


def test_separate_readout_samples_both_currents_and_current_mode_moves_no_bit_line() -> None:
    stock = tile_of().config.pair.encoding.model_dump()
    sensing = SENSING | {"sample_energy_j": 2e-15, "column_area_m2": 1e-10}
    tile = tile_of(lines=LINES, encoding=stock | {"readout": "separate"}, sensing=sensing)
    counts = counts_of(tile, 256, 256, 8)
    assert counts["tile.sample"] == 2 * 32 * 128
    assert "tile.bit_line" not in counts
    assert "bit_line" not in tile.action_energies_j()
    areas = {area.item: area.count for area in tile.areas()}
    assert areas["column circuits"] == 2 * 256 * 4


def test_what_is_not_counted_has_no_action() -> None:
    """The machine of the published figures: as before there were these circuits."""
    tile = CrossbarTile(load_config("pim-llm-published").machine.crossbar)  # type: ignore[arg-type]
    precisions = {f"cell_read_int{bits}" for bits in range(2, 17)}  # of matrices with weights of more bits
    assert set(tile.action_energies_j()) - precisions == {
        *("dac_conversion", "cell_read", "adc_conversion", "add", "register"),
        *("pe_buffer_read", "pe_buffer_write", "tile_buffer_read", "tile_buffer_write"),
    }


def test_integrated_passes_convert_once_per_phase() -> None:
    """8-bit inputs: 7 reads and 22 steps in two phases of 2 x 2 groups; 0.27 us a step, 0.3 us a phase."""
    tile = tile_of(adc=SERIAL, sensing=SENSING | {"integration": NARROW})
    share = TilesShare(weight_grid(256, 256, 256, 256, 4), 8)
    events = naive_schedule.replay(tile.work(share))[1]
    counts = naive_schedule.action_counts(events)
    assert counts["tile.dac_conversion"] == 4 * 7 * 128
    assert counts["tile.integration"] == 4 * 22 * 128
    assert counts["tile.adc_conversion"] == counts["tile.adc_conversion_6b"] == 4 * 128
    time_ps: Counter[str] = Counter()
    for event in events:
        time_ps[event.step.label] += event.end_ps - event.start_ps
    assert time_ps["integrate"] == 4 * 22 * 270_000
    assert time_ps["phase"] == 4 * 2 * 300_000
    energies = tile.action_energies_j()
    assert energies["adc_conversion_6b"] == near(2 * ADC["conversion_energy_j"]), "6 of 3 bits"
    assert energies["adc_conversion"] == near(10 / 3 * ADC["conversion_energy_j"])


def test_an_analog_sum_of_two_arrays_is_an_array_of_their_rows() -> None:
    """docs/circuits.md: 512 rows in one array, or in two with a converter each: the rows cost the same."""
    array = tile_of().config.pair.array.model_dump() | {"rows_at_once": "all"}
    apart = tile_of(lines=LINES, drivers=DRIVERS, array=array)
    stacked = tile_of(lines=LINES, drivers=DRIVERS, array=array | {"rows": 512})
    two, one = counts_of(apart, 512, 256, 8), counts_of(stacked, 512, 256, 8)
    for name in ("word_line", "select_line", "row_driver", "cell_read", "dac_conversion"):
        assert two[f"tile.{name}"] == one[f"tile.{name}"], name
        assert apart.action_energies_j()[name] == stacked.action_energies_j()[name], name
    assert two["tile.adc_conversion"] == 2 * one["tile.adc_conversion"] == 2 * 2 * 128 * 8


@pytest.mark.parametrize("rows", [32, 4096])
def test_reads_that_settle_take_longer_in_larger_arrays(rows: int) -> None:
    """6-bit ADC: 7 ln 2 time constants of 1 kOhm x rows x 1 fF in the column and 316.8 ps in the row; ideal wires."""
    settings = [f"{PRE}.cell.read_pulse_s=null", f"{PRE}.wires.model=none", f"{PRE}.array.rows={rows}"]
    settings += [f"{PRE}.array.rows_at_once=32", f"{PRE}.array.columns=128", f"{PRE}.sensing.input_ohm=1 kOhm"]
    config = load_config({"machine": {"crossbar": {"pair": {"lines": LINES, "drivers": DRIVERS}}}}, settings)
    assert config.machine.crossbar is not None
    tile = CrossbarTile(config.machine.crossbar)
    events = naive_schedule.replay(tile.work(TilesShare(tile.grid(1, 1), 8)))[1]
    read_ps = {event.end_ps - event.start_ps for event in events if event.step.label == "read"}
    assert read_ps == {round(4.852030 * (316.8 + rows))}
