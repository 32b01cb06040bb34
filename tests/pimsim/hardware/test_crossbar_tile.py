"""Crossbar tiles: latencies of MNSIM, and action counts of the rows and columns in use, weight by weight."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.weight_grid import weight_grid
from pimsim.hardware.weight_programming import ProgrammingShare
from pimsim.steps.step_tree import expanded
from tests.oracles import naive_schedule, naive_tiles
from tests.support import component_strategies
from tests.support.closeness import near


@st.composite
def cases(draw: st.DrawFn) -> tuple[CrossbarTile, TilesShare]:
    """A tile of random parameters and a share of a random matrix of at most 20 x 20 weights."""
    config: CrossbarConfig = draw(component_strategies.crossbar_configs(sliced=True))
    array, slices = config.pair.array, naive_tiles.slices(config.pair.encoding)
    inputs, outputs = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    grid = weight_grid(inputs, outputs, array.rows, array.columns // slices, config.pes_per_tile)
    tile = CrossbarTile(config)
    assert tile.grid(inputs, outputs) == grid
    return tile, TilesShare(grid, draw(st.integers(1, 16)), draw(st.integers(1, 3)), replicas=draw(st.integers(1, 3)))


def tiles_of(tile: CrossbarTile, share: TilesShare) -> list[list[naive_tiles.Pair]]:
    array, grid = tile.config.pair.array, share.grid
    columns = array.columns // naive_tiles.slices(tile.config.pair.encoding)
    return naive_tiles.grid_tiles(grid.in_features, grid.out_features, array.rows, columns, tile.config.pes_per_tile)


@given(case=cases())
def test_closed_form_is_the_sum_of_the_steps(case: tuple[CrossbarTile, TilesShare]) -> None:
    tile, share = case
    end_ps, events = naive_schedule.replay(tile.work(share))
    assert tile.latency_ps(share) == end_ps
    expanded_end_ps, expanded_events = naive_schedule.replay(expanded(tile.work(share)))
    assert expanded_end_ps == end_ps
    assert naive_schedule.action_counts(expanded_events) == naive_schedule.action_counts(events)


@given(case=cases())
def test_actions_are_the_oracle_s(case: tuple[CrossbarTile, TilesShare]) -> None:
    tile, share = case
    config, tiles = tile.config, tiles_of(tile, share)
    array, encoding = config.pair.array, config.pair.encoding
    integration, signed = config.pair.sensing.integration, encoding.activations == "twos_complement"
    planes = naive_tiles.plane_count(share.input_bits, config.pair.dac.bits, signed, integration)
    sampled = config.pair.sensing.sampled
    one_plane = naive_tiles.conversions(tiles, array.rows_at_once, array.adcs, 1, encoding, sampled)
    converted = naive_tiles.conversions(tiles, array.rows_at_once, array.adcs, planes, encoding, sampled, config.pair)
    if integration is not None:
        converted["adc_conversion"] = one_plane["adc_conversion"] * len(naive_tiles.phases(planes, integration))
    cells = sum(len(pair.cells) for in_tile in tiles for pair in in_tile)
    assert cells == share.grid.in_features * share.grid.out_features
    slices = naive_tiles.slices(encoding)
    assert converted["cell_read"] == (2 if encoding.cells == "differential" else 1) * slices * cells * planes

    pairs = [pair for in_tile in tiles for pair in in_tile]
    pe_accesses = sum(len(range(0, len(pair.rows) * share.input_bits, config.pe_buffer.width_bits)) for pair in pairs)
    expected = {f"tile.{action}": count for action, count in converted.items()}
    # An addition per conversion, shifted in, one per joined slice and one per joined pair; a latch per row driven, row
    # loaded and column.
    expected["tile.add"] = converted["adc_conversion"] + naive_tiles.additions(tiles, share.grid.out_features).in_tiles
    expected["tile.add"] += sum((slices - 1) * len(pair.columns) for pair in pairs)
    phases = planes if integration is None else len(naive_tiles.phases(planes, integration))
    correction = config.pair.correction
    products = naive_tiles.gain_actions(tiles, array.driven_rows, array.adcs, phases, encoding, correction)
    for action, count in products.items():
        expected[f"tile.{action}"] = expected.get(f"tile.{action}", 0) + count
    latched = sum(len(pair.rows) + slices * len(pair.columns) for pair in pairs)
    expected["tile.register"] = converted["dac_conversion"] + latched
    expected["tile.pe_buffer_write"] = expected["tile.pe_buffer_read"] = pe_accesses
    for what in ("write", "read"):
        accesses = (output_accesses(config, in_tile, what, share.input_bits) for in_tile in tiles)
        expected[f"tile.tile_buffer_{what}"] = sum(accesses)
    found = naive_schedule.action_counts(naive_schedule.replay(tile.work(share))[1])
    narrow = {action for action in found if action.startswith("tile.adc_conversion_")}
    found["tile.adc_conversion"] += sum(found.pop(action) for action in narrow)
    found = Counter({action: n for action, n in found.items() if action.removeprefix("tile.") not in CIRCUITS})
    assert found == Counter({action: share.vectors * count for action, count in expected.items()})


CIRCUITS = ("word_line", "select_line", "bit_line", "row_driver", "clamp", "sample", "integration")
"""Actions of lines, drivers and column circuits, which test_array_pass.py counts."""


def output_accesses(config: CrossbarConfig, pairs: list[naive_tiles.Pair], what: str, input_bits: int) -> int:
    """MNSIM's output buffer: written with the merge tree's width, read with the output's; as wide as its widest PE.

    Without `output_bits`, both widths are what the sums need; merged, there is one value per output.
    """
    levels = 0
    while 2**levels < len(pairs):
        levels += 1
    if config.output_bits is None:
        bits = naive_tiles.sum_bits(config.pair.encoding, input_bits, naive_tiles.added_rows(pairs))
    else:
        shifted = config.pair.encoding.cell_bits * (naive_tiles.slices(config.pair.encoding) - 1)
        bits = config.pair.adc.bits + shifted + levels if what == "write" else config.output_bits
    values = len(pairs) * max(len(pair.columns) for pair in pairs)
    if config.tile_outputs == "merged":
        values = len(set().union(*(pair.columns for pair in pairs)))
    return len(range(0, bits * values, config.tile_buffer.width_bits))


@given(case=cases())
def test_all_tiles_work_at_once(case: tuple[CrossbarTile, TilesShare]) -> None:
    """A matrix takes as long as its slowest tile alone, and the vectors of a replica follow one another."""
    tile, share = case
    alone = [tile.tile_latency_ps(use, share.input_bits) for use, _ in share.grid.tiles]
    assert tile.latency_ps(share) == len(range(0, share.vectors, share.replicas)) * max(alone)
    events = naive_schedule.replay(tile.work(share))[1]
    busy_ps = sum(event.end_ps - event.start_ps for event in events)
    counts = [count for _, count in share.grid.tiles]
    assert busy_ps == share.vectors * sum(count * each for count, each in zip(counts, alone, strict=True))


@given(case=cases(), bits=st.integers(1, 8))
def test_more_input_bits_are_never_faster(case: tuple[CrossbarTile, TilesShare], bits: int) -> None:
    tile, share = case
    integration = tile.config.pair.sensing.integration
    # A wider input can put one more plane into the first phase, which narrows the conversions of the later ones.
    assume(integration is None or not integration.narrow_later_phases)
    wider = TilesShare(share.grid, share.input_bits + bits, share.vectors, replicas=share.replicas)
    assert tile.latency_ps(wider) >= tile.latency_ps(share)


def mnsim_tile() -> CrossbarTile:
    """MNSIM's stock tile: 256 x 256, 128 converters of either kind, ADC choice 6 (docs/model.md)."""
    crossbar = load_config("pim-llm-published").machine.crossbar
    assert crossbar
    stock = crossbar.pair.adc.model_copy(update={"conversion_energy_j": 10.08e-12})  # that of the config is fitted
    return CrossbarTile(crossbar.model_copy(update={"pair": crossbar.pair.model_copy(update={"adc": stock})}))


def test_mnsim_s_worked_example() -> None:
    """docs/model.md: 256 x 256, 8 bits in, ADC choice 6: M = 32 passes; DAC 96 + crossbar 101.1 + ADC 256 ns."""
    tile = mnsim_tile()
    grid = weight_grid(256, 256, 256, 256, 4)
    parts: Counter[str] = Counter()
    passes = 0
    events = naive_schedule.replay(tile.work(TilesShare(grid, input_bits=8)))[1]
    for event in events:
        key = event.step.label if event.step.part in ("tile_buffer", "communication") else event.step.part
        parts[key] += event.end_ps - event.start_ps
        passes += event.step.part == "adc"
    assert passes == 32
    assert parts["dac"] == 96_000
    assert parts["crossbar"] == 101_120
    assert parts["adc"] == 256_000
    assert parts["dac"] + parts["crossbar"] + parts["adc"] == pytest.approx(453_000, abs=200)
    # (nr nc + M) T + M T + M nr 0.27933 ns + M nc 0.032744 ns + nc T; each of the 64 selections is rounded to 1 ps.
    assert parts["digital"] == pytest.approx(160_000, abs=50)
    assert parts["pe buffer write"] + parts["pe buffer read"] == 1_280_000
    # One PE has nothing to merge: 6 bits of 256 columns are 24 words, and 8 bits of them 32, of 20 ns each.
    assert parts["tile buffer write"] == 24 * 20_000
    assert parts["tile buffer read"] == 32 * 20_000
    # MNSIM's L = 2 levels on the way out of a 2 x 2 tile, 6 bits of 256 columns at 1024 Gb/s each.
    assert parts["to output buffer"] == 2 * 1_500


def test_mnsim_s_full_tile() -> None:
    """Four PEs: a tree of two levels (4 ns), 6 then 7 bits of 256 columns inside the tile, 8 bits of 1024 outside."""
    tile = mnsim_tile()
    ((use, count),) = weight_grid(1024, 256, 256, 256, 4).tiles
    assert (len(use.pairs), count) == (4, 1)
    events = naive_schedule.replay(tile.work(TilesShare(weight_grid(1024, 256, 256, 256, 4), input_bits=8)))[1]
    duration_ps: dict[str, list[int]] = {}
    for event in events:
        duration_ps.setdefault(event.step.label, []).append(event.end_ps - event.start_ps)
    assert duration_ps["merge"] == [4_000]
    # [L (b_adc + k) - k (k + 1) / 2] c / 1024 Gb/s with L = 2, b_adc = 6 and k = 2: 13 x 256 bits.
    assert duration_ps["to output buffer"] == [1_500, 1_750]
    assert duration_ps["tile buffer write"] == [128 * 20_000]
    assert duration_ps["tile buffer read"] == [128 * 20_000]


def test_partly_used_pairs_are_billed_for_what_they_use() -> None:
    """300 x 10 weights: a full pair and one of 44 rows. MNSIM bills whole tiles; here 3000 weights cost 3000."""
    tile = mnsim_tile()
    counts = naive_schedule.action_counts(
        naive_schedule.replay(tile.work(TilesShare(weight_grid(300, 10, 256, 256, 4), 8)))[1]
    )
    assert counts["tile.cell_read"] == 2 * 300 * 10 * 8
    assert counts["tile.dac_conversion"] == 300 * 8
    assert counts["tile.adc_conversion"] == 10 * (2 + 1) * 8  # two row groups of the first pair, one of the second


def test_energies_and_areas() -> None:
    tile = mnsim_tile()
    pair = tile.config.pair
    energies = tile.action_energies_j()
    assert energies["dac_conversion"] == near(3.9e-6 * 3e-9)
    assert energies["adc_conversion"] == pair.adc.conversion_energy_j == 10.08e-12
    assert energies["cell_read"] == near(2.393937e-16, rel=1e-6)
    buffers = tile.config.pe_buffer, tile.config.tile_buffer
    assert [energies[f"{name}_{what}"] for name in ("pe_buffer", "tile_buffer") for what in ("read", "write")] == [
        energy for buffer in buffers for energy in (buffer.read_energy_j, buffer.write_energy_j)
    ]
    areas = {area.item: (area.count, area.total_m2) for area in tile.areas()}
    assert areas["cells"][0] == 2 * 256 * 256 * 4
    assert areas["DACs"][0] == areas["ADCs"][0] == 128 * 4
    assert areas["ADCs"][1] == near(512 * 1650e-12)
    assert (areas["input buffers of PEs"][0], areas["output buffers of tiles"][0]) == (4, 1)
    assert tile.leakage_w() == near(5 * 8.863e-3)


def stock_tile(*overrides: str) -> CrossbarTile:
    crossbar = load_config({}, [f"machine.crossbar.pair.{each}" for each in overrides]).machine.crossbar
    assert crossbar
    return CrossbarTile(crossbar)


def pass_of(tile: CrossbarTile) -> tuple[dict[tuple[str, str], int], Counter[str]]:
    """The time of each step of one vector through one full array by part and label, and its counts."""
    events = naive_schedule.replay(tile.work(TilesShare(weight_grid(256, 256, 256, 256, 4), input_bits=8)))[1]
    duration_ps: Counter[tuple[str, str]] = Counter()
    for event in events:
        duration_ps[event.step.part, event.step.label] += event.end_ps - event.start_ps
    return dict(duration_ps), naive_schedule.action_counts(events)


def test_separate_readout_converts_twice_with_the_same_adcs() -> None:
    """32 passes: both currents of 128 columns are selected and converted in turn, and a third cycle subtracts."""
    tile, stock = stock_tile("encoding.readout=separate"), stock_tile()
    (duration_ps, counts), (before, counted) = pass_of(tile), pass_of(stock)
    for step in (("adc", "convert"), ("digital", "select columns")):
        assert duration_ps[step] == 2 * before[step]
    assert duration_ps["adc", "convert"] == 2 * 256_000
    assert duration_ps["digital", "shift and add"] == 32 * 3 * 2_000
    assert before["digital", "shift and add"] == 32 * 2 * 2_000
    changed = {step for step in duration_ps if duration_ps[step] != before[step]}
    assert changed == {("adc", "convert"), ("digital", "select columns"), ("digital", "shift and add")}
    for action in ("tile.adc_conversion", "tile.add"):
        assert counts[action] == 2 * counted[action] == 2 * 256 * 2 * 8
    assert {action for action in counts if counts[action] != counted[action]} == {"tile.adc_conversion", "tile.add"}
    assert tile.areas() == stock.areas()


@pytest.mark.parametrize(("cells", "references"), [("reference_column", 1), ("reference_column", 3), ("offset", 0)])
@pytest.mark.parametrize("readout", ["difference", "separate"])
def test_single_cells_have_one_array(cells: str, references: int, readout: str) -> None:
    """Half of the cells are read and built; all else, a conversion per column and its time, stays.

    Each of the two column groups is read against all reference columns.
    """
    keys = [f"array.reference_columns={references}"] if references else []
    tile = stock_tile("encoding.weights=binary", f"encoding.cells={cells}", f"encoding.readout={readout}", *keys)
    (duration_ps, counts), (before, counted) = pass_of(tile), pass_of(stock_tile())
    assert duration_ps == before
    assert counts.pop("tile.cell_read") == 256 * 256 * 8 == counted.pop("tile.cell_read") // 2
    assert counts.pop("tile.reference_read", 0) == 2 * 256 * references * 8
    assert counts == counted
    areas, stock = ({area.item: area.count for area in each.areas()} for each in (tile, stock_tile()))
    assert areas.pop("cells") == 256 * (256 + references) * 4
    assert stock.pop("cells") == 2 * 256 * 256 * 4
    assert areas == stock


@pytest.mark.parametrize(("polarity", "ohm"), [("one_is_lrs", 1e6), ("one_is_hrs", 1e4)])
def test_a_cell_of_a_reference_column_is_read_in_the_state_of_a_zero(polarity: str, ohm: float) -> None:
    """0.1 x 0.15 V^2 for 3.16 ns, in HRS or LRS."""
    tile = stock_tile("encoding.cells=reference_column", f"encoding.polarity={polarity}")
    assert tile.action_energies_j()["reference_read"] == near(0.1 * 0.15**2 / ohm * 3.16e-9)
    assert "reference_read" not in stock_tile().action_energies_j()


def test_reference_columns_are_written_and_lengthen_the_word_lines() -> None:
    """Three reference columns are behind 86, 85 and 85 bit lines; 150 columns need two of them."""
    tile = stock_tile("encoding.cells=reference_column", "encoding.weights=binary", "array.reference_columns=3")
    pair = tile.config.pair
    assert [pair.references_of(columns) for columns in (0, 1, 86, 87, 171, 172, 256)] == [0, 1, 1, 2, 2, 3, 3]
    assert pair.line_columns == 259
    assert stock_tile("array.reference_columns=3").config.pair.line_columns == 256
    written = naive_schedule.replay(tile.programming().work(ProgrammingShare(tile.grid(100, 150))))[1]
    counts = {"programming.cell_write": 100 * 150, "programming.reference_write": 100 * 2}
    assert naive_schedule.action_counts(written) == counts
    use, _ = tile.grid(100, 150).tiles[0]
    [read] = [step for step in tile.array_pass(use, (100,), (128,)) if step.label == "read"]
    assert dict(read.counts) == {"tile.cell_read": 100 * 128, "tile.reference_read": 100 * 2}
    energies_j = tile.programming().action_energies_j()
    assert energies_j["reference_write"] == energies_j["cell_write"]


@pytest.mark.parametrize(("activations", "dac_bits", "planes"), [("unsigned", 3, 3), ("twos_complement", 3, 4)])
def test_planes_set_the_passes(activations: str, dac_bits: int, planes: int) -> None:
    """8 bits, three at a time: 3 + 3 + 2, or 3 + 3 + 1 and the sign."""
    tile = stock_tile(f"encoding.activations={activations}", f"dac.bits={dac_bits}")
    duration_ps, counts = pass_of(tile)
    assert counts["tile.adc_conversion"] == planes * 2 * 256
    assert duration_ps["adc", "convert"] == planes * 2 * 2 * 8_000


@given(case=cases())
def test_actions_and_energies_have_the_same_names(case: tuple[CrossbarTile, TilesShare]) -> None:
    tile, share = case
    counted = {
        action.removeprefix("tile.")
        for action in naive_schedule.action_counts(naive_schedule.replay(tile.work(share))[1])
    }
    assert counted <= set(tile.action_energies_j())
