"""Arrays whose word lines are driven, or whose bit lines end in virtual ground, at both ends.

A cell of the network owns the wire segments to its left and below it. The segments to a further end belong to cells of
conductance 0: a column at the right, whose word-line nodes are the right drivers, and a row at the top, whose bit-line
nodes are the outputs at the top. What else is connected to these cells carries no current into the array.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class LineEnds(NamedTuple):
    """Lines that are connected at both ends.

    Attributes:
        word: whether word lines are driven at both ends, with the same voltage.
        bit: whether bit lines end in virtual ground at both ends, and the currents of both are added.
    """

    word: bool = False
    bit: bool = False

    @property
    def both(self) -> tuple[bool, bool]:
        """Arguments `right_ends` and `top_ends` of the compiled kernels."""
        return self.word, self.bit


ONE_END = LineEnds()
"""Word lines that are driven at the left, and bit lines that end at the bottom."""


class Ports(NamedTuple):
    """Ports of an array without those of the added row and column.

    Attributes:
        drivers: first port of the word lines of each driven end.
        outputs: first port of the bit lines of each output end.
        total: number of all ports.
    """

    drivers: tuple[int, ...]
    outputs: tuple[int, ...]
    total: int


def padded(values: Floats, ends: LineEnds) -> Floats:
    """Add the column and the row that own the segments to further ends.

    Args:
        values: conductances of cells or of segments, [rows, columns] float64, siemens.
        ends: ends of the lines.

    Returns:
        The same with zeros added, contiguous.
    """
    return np.pad(values, ((int(ends.bit), 0), (0, int(ends.word)))) if any(ends) else values


def ports_of(rows: int, columns: int, ends: LineEnds) -> Ports:
    """Return where the drivers and outputs of an array are among the ports of its network.

    Args:
        rows: rows of the array, without an added one.
        columns: columns of the array, without an added one.
        ends: ends of the lines.

    Returns:
        The ports, in the order of `crossbar.kernels.blocks`.
    """
    all_rows, all_columns = rows + ends.bit, columns + ends.word
    first = all_rows * (1 + ends.word)
    drivers = tuple(end * all_rows + ends.bit for end in range(1 + ends.word))
    outputs = tuple(first + end * all_columns for end in range(1 + ends.bit))
    return Ports(drivers, outputs, first + all_columns * (1 + ends.bit))


def transfer_between_ports(network: Floats, rows: int, columns: int, ends: LineEnds) -> Floats:
    """Add up the conductances between the ends of word lines and the ends of bit lines.

    Args:
        network: lower triangle of the conductances between ports, [ports, ports] float64, siemens.
        rows: rows of the array, without an added one.
        columns: columns of the array, without an added one.
        ends: ends of the lines.

    Returns:
        Transfer matrix, [rows, columns] float64, siemens.
    """
    ports, total = ports_of(rows, columns, ends), np.zeros((rows, columns))
    for driver in ports.drivers:
        for output in ports.outputs:
            total += network[output : output + columns, driver : driver + rows].T
    return total


def unit_port_voltages(rows: int, columns: int, ends: LineEnds) -> Floats:
    """Return the voltages of all ports with 1 V on all ends of one word line, or of one bit line.

    Args:
        rows: rows of the array, without an added one.
        columns: columns of the array, without an added one.
        ends: ends of the lines.

    Returns:
        [ports, rows + columns] float64, volts.
    """
    ports = ports_of(rows, columns, ends)
    volts = np.zeros((ports.total, rows + columns))
    for driver in ports.drivers:
        volts[driver + np.arange(rows), np.arange(rows)] = 1.0
    for output in ports.outputs:
        volts[output + np.arange(columns), rows + np.arange(columns)] = 1.0
    return volts
