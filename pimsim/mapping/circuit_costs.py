"""Price of the circuits of arrays that a machine does not count: charge of the word lines and select lines."""

from __future__ import annotations

from collections.abc import Iterable

from crossbar.circuit_params import LineParams
from pimsim.config.schema import MachineConfig
from pimsim.hardware.measured_energies import driven_pair, measured_activity
from pimsim.results.accounting import CostItem
from pimsim.steps.records import OpRecord

LINES = "charge of word and select lines"
"""Name of the item for the charge of lines that `machine.crossbar.pair.lines: null` does not count."""

LINES_130NM = LineParams(
    input_line="word",
    word_line_f=1e-15,  # MNSIM 2.0, Crossbar.py [A]
    word_end_f=0.0,
    bit_line_f=1e-15,  # MNSIM 2.0, Crossbar.py [A]
    bit_end_f=0.0,
    bit_swing_v=0.0,
    select_line_f=2.1e-15,  # NeuRRAM by CiMLoop, 130 nm, as the three below [A]
    select_end_f=48e-15,
    select_low_v=0.9,
    select_high_v=2.2,
)
"""The lines of the preset circuits-130nm, with which the item is priced."""


def lines_item(machine: MachineConfig, ops: Iterable[OpRecord]) -> CostItem:
    """Price the charge of the lines that a run leaves out.

    Args:
        machine: Section `machine` of the config.
        ops: Records of the run.

    Returns:
        The item, with the lines of 130 nm; of no energy if the machine counts its lines, or has no crossbar tiles.

    Reference:
        docs/circuits.md, eq. (1) and (2).
    """
    crossbar = machine.crossbar_tile
    if crossbar is None or crossbar.pair.lines is not None:
        return CostItem(LINES, 0, 0.0)
    activity = measured_activity(machine)
    pair = crossbar.pair if activity is None else driven_pair(crossbar.pair, activity)
    columns, drive = pair.line_columns, pair.cell.read_activity
    row_j = LINES_130NM.word_charge_j(columns, pair.cell.read_voltage_v, drive)
    row_j += LINES_130NM.select_charge_j(columns, drive)
    driven = sum(op.repeat * op.counts.get("tile.dac_conversion", 0) for op in ops) // pair.dacs_per_row
    return CostItem(LINES, 0, driven * pair.encoding.arrays * row_j)
