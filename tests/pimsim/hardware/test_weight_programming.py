"""Weights into cells: rows, pulses, writes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.base.units import to_ps
from pimsim.config.loading import load_config
from pimsim.engine import run
from pimsim.hardware.weight_grid import weight_grid
from pimsim.hardware.weight_programming import Programming, ProgrammingShare
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.steps.step_tree import action_counts, expanded
from tests.oracles import naive_schedule, naive_tiles
from tests.support import component_strategies
from tests.support.closeness import near
from tests.support.counts import MACHINES


@st.composite
def cases(draw: st.DrawFn) -> tuple[Programming, ProgrammingShare]:
    config = draw(component_strategies.crossbar_configs(sliced=True))
    array = config.pair.array
    sizes = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    columns = array.columns // naive_tiles.slices(config.pair.encoding)
    return Programming(config), ProgrammingShare(weight_grid(*sizes, array.rows, columns, config.pes_per_tile))


def arrays(programming: Programming) -> int:
    return 2 if programming.config.pair.encoding.cells == "differential" else 1


@given(case=cases())
def test_closed_form_is_the_oracle_s(case: tuple[Programming, ProgrammingShare]) -> None:
    """Weight by weight: a tile is as slow as it has rows with weights in it, of all arrays of all its pairs."""
    programming, share = case
    config, grid = programming.config, share.grid
    array = config.pair.array
    columns = array.columns // naive_tiles.slices(config.pair.encoding)
    tiles = naive_tiles.grid_tiles(grid.in_features, grid.out_features, array.rows, columns, config.pes_per_tile)
    rows = max(arrays(programming) * sum(len(pair.rows) for pair in tile) for tile in tiles)
    assert programming.latency_ps(share) == rows * 2 * to_ps(config.pair.cell.write_pulse_s)


@settings(max_examples=MACHINES)
@given(case=cases())
def test_closed_form_is_the_engine_s_and_every_cell_is_written_once(case: tuple[Programming, ProgrammingShare]) -> None:
    programming, share = case
    cells = arrays(programming) * share.grid.in_features * share.grid.out_features
    cells *= naive_tiles.slices(programming.config.pair.encoding)
    pair, grid = programming.config.pair, share.grid
    slices = naive_tiles.slices(pair.encoding)
    tiles = naive_tiles.grid_tiles(
        grid.in_features,
        grid.out_features,
        pair.array.rows,
        pair.array.columns // slices,
        programming.config.pes_per_tile,
    )
    references = naive_tiles.reference_cells(pair, tiles, slices)
    written = Counter({"programming.cell_write": cells, "programming.reference_write": references})
    for work in (programming.work(share), expanded(programming.work(share))):
        end_ps, events = naive_schedule.replay(work)
        assert end_ps == programming.latency_ps(share)
        assert naive_schedule.action_counts(events) == +written == action_counts(work)
    task = Task("program", "weight_swap", (), 0, (Assignment("program[0]", programming, share),))
    program = Program((ProgramBlock("b", 1, (task,)),))
    for expand in (False, True):
        for schedule in ("serial", "dataflow"):
            outcome = run(program, schedule, expand=expand)
            assert outcome.latency_ps == programming.latency_ps(share)
            [profile] = outcome.profiles
            assert profile.counts == +written
            assert profile.parts_ps == {"programming": outcome.latency_ps}


def test_by_hand() -> None:
    """A full tile of four pairs: 2 arrays x 256 rows x 4 PEs, a SET and a RESET of 10 ns each; 9 pJ a cell."""
    config = load_config({}).machine.crossbar
    assert config
    programming = Programming(config)
    share = ProgrammingShare(weight_grid(512, 512, 256, 256, 4))
    assert programming.latency_ps(share) == 2 * 256 * 4 * 2 * 10_000
    assert programming.action_energies_j() == {"cell_write": near(9e-12)}
    events = naive_schedule.replay(programming.work(share))[1]
    assert [event.step.label for event in events[:4]] == ["SET", "RESET", "SET", "RESET"]
    assert (programming.areas(), programming.leakage_w(), programming.units) == ((), 0.0, 1)
