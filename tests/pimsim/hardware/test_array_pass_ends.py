"""Costs of lines that are connected at both ends: counts, energies, areas and times beside those of one end."""

from __future__ import annotations

import math

from crossbar.params import CrossbarParams, settling_s
from pimsim import load_config, simulate
from pimsim.hardware.array_pass import circuit_areas, pass_energies_j
from tests.crossbar.valid_params import CELL, DRIVERS, LINES, PAIR, SENSING, WIRES
from tests.support.closeness import near

KEYS = "machine.crossbar.pair"
BOTH = {"word_line_ends": "both", "bit_line_ends": "both"}
CIRCUITS = {"lines": LINES | {"word_end_f": 3e-15, "bit_end_f": 5e-15}, "drivers": DRIVERS}


def pair_of(wires: dict[str, str], **sections: object) -> CrossbarParams:
    return CrossbarParams.model_validate(PAIR | CIRCUITS | {"wires": WIRES | wires} | sections)


def test_ends_of_lines_are_charged_twice() -> None:
    voltage = {"sensing": SENSING | {"mode": "voltage"}}
    one, both = (pass_energies_j(pair_of(wires, **voltage)) for wires in ({}, BOTH))
    # alpha U^2 per farad, and the swing of 0.1 V times U.
    assert both["word_line"] - one["word_line"] == near(0.1 * 3e-15 * 0.15**2, rel=1e-6)
    assert both["bit_line"] - one["bit_line"] == near(5e-15 * 0.1 * 0.15, rel=1e-6)
    assert both["select_line"] == one["select_line"]


def test_settling_by_hand() -> None:
    model = {"model": "exact", "word_line_ohm": 4.0, "bit_line_ohm": 6.0}
    circuits = {
        "cell": CELL | {"read_pulse_s": None}, "sensing": SENSING | {"mode": "current", "input_ohm": 500.0},
        "lines": LINES | {"word_end_f": 3e-15, "bit_end_f": 5e-15, "select_line_f": 0.0, "select_end_f": 0.0},
    }  # fmt: skip
    pair = pair_of(BOTH | model, **circuits)
    # 128 columns of 1 fF behind 1 kOhm at each end, and half a line of 64 cells; 256 rows of 1 fF to two clamps.
    row_s = 500 * (128e-15 + 6e-15) + 64**2 * 4 * 1e-15 / 2
    column_s = 250 * (256e-15 + 10e-15) + 128**2 * 6 * 1e-15 / 2
    assert settling_s(pair) == near(7 * math.log(2) * (row_s + column_s), rel=1e-12)
    assert settling_s(pair) < settling_s(pair_of(model, **circuits))


def test_drivers_and_clamps_count_twice() -> None:
    settings = [
        "workload.model=gpt2-small",
        f"{KEYS}.sensing.clamp_energy_j=1 pJ",
        f"{KEYS}.sensing.column_area_m2=1 um^2",
    ]
    ends = [f"{KEYS}.wires.word_line_ends=both", f"{KEYS}.wires.bit_line_ends=both"]
    config = {"extends": ["pim-llm", "circuits-130nm"]}
    one, both = (load_config(config, [*settings, *more]) for more in ([], ends))
    runs = [simulate(each) for each in (one, both)]
    for action in ("row_driver", "clamp"):
        first, second = (sum(op.repeat * op.counts.get(f"tile.{action}", 0) for op in run.ops) for run in runs)
        assert second == 2 * first > 0
    areas = []
    for each in (one, both):
        assert each.machine.crossbar is not None
        areas.append(sum(area.total_m2 for area in circuit_areas(each.machine.crossbar)))
    assert areas[1] == near(2 * areas[0], rel=1e-12)
    assert runs[1].energy_j > runs[0].energy_j
    assert runs[1].area_m2 > runs[0].area_m2


def test_dacs_are_at_the_ends_of_the_lines_that_carry_the_inputs() -> None:
    word, select = (pair_of(BOTH, lines=LINES | {"input_line": each}) for each in ("word", "select"))
    assert (word.dacs_per_row, select.dacs_per_row, pair_of({}).dacs_per_row) == (2, 1, 1)
