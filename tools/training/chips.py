"""Errors of the arrays of a config, for training: chips of the present weights, drawn with the simulator itself.

A projection through programmed arrays is modelled as y = x (W + D) + e. D is the error of the weights: what the cells
of one chip conduct behind their wires, minus the ternary weights, from the code that programs the arrays of `pimsim
accuracy`. It contains variation, stuck cells, drift and IR drop. e is the rest: quantisation and range of the ADCs and
read noise. Its standard deviation is measured on a programmed matrix with activations of the training text (a fitted
number), and it is drawn as a normal number for each result.

Reference:
    Noise in the weights of the forward pass: Joshi et al., Nature Communications 11, 2473 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.conductances import Draw, conductances_s, has_wires
from crossbar.encoding import WeightCode, weight_code
from crossbar.layout import Layout
from crossbar.params import CrossbarParams
from crossbar.parasitics import approximate_transfer_matrix, transfer_matrix
from crossbar.programmed_matrix import program_matrix
from crossbar.remapping import Stuck, remap, stuck_cells
from pimsim.inference.projections import Site, matrix_seed

Reals = NDArray[np.float64]


def check_supported(params: CrossbarParams) -> None:
    """Raise ValueError if the model of errors does not cover the arrays."""
    encoding = params.encoding
    wanted = {"weights": "ternary", "cells": "differential", "readout": "difference", "activations": "twos_complement"}
    for key, value in wanted.items():
        if getattr(encoding, key) != value:
            raise ValueError(
                f"machine.crossbar.pair.encoding.{key} is {getattr(encoding, key)}; training knows only {value}"
            )
    if encoding.activation_bits != 8:
        raise ValueError("machine.crossbar.pair.encoding.activation_bits must be 8, the width that the network has")


@dataclass(frozen=True)
class Chips:
    """Chips of one config.

    Attributes:
        params: Parameters of the arrays.
        known: Seed of a chip of `pimsim accuracy` whose stuck cells all chips have; None means that each has its own.
    """

    params: CrossbarParams
    known: int | None = None

    def weight_errors(self, weights: NDArray[np.int8], site: Site, seed: int) -> Reals:
        """Draw the errors D of a projection on one chip (docs/training.md, eqs. (1) and (2)).

        Args:
            weights: Ternary weights, [in, out].
            site: The projection.
            seed: Seed of the chip.

        Returns:
            Weights that the arrays multiply by, minus `weights`, [in, out].
        """
        code, layout = weight_code(self.params.encoding), Layout(*weights.shape, self.params.array)
        draw = Draw(self.params, matrix_seed(seed, site))
        faults = draw if self.known is None else Draw(self.params, matrix_seed(self.known, site))
        layout = remap(weights, layout, code, faults)
        if self.known is None:
            plus, minus = conductances_s(weights, layout, 0, draw)
        else:
            plus, minus = self._with_known_faults(weights, layout, draw, faults)
        effective = self._behind_wires(plus, minus, layout, code)
        return effective - weights

    def rest(self, weights: NDArray[np.int8], site: Site, x: NDArray[np.int8], seed: int) -> float:
        """Measure the standard deviation r of the rest, in units of the integer results (docs/training.md, eq. (3)).

        Args:
            weights: Ternary weights, [in, out].
            site: The projection.
            x: Activations, [vectors, in]; the first half calibrates the ADCs, the second half is multiplied.
            seed: Seed of the chip.

        Returns:
            Root of the mean square of e.
        """
        sample, others = np.split(x, [len(x) // 2])
        own = replace(self, known=None)
        matrix = program_matrix(weights, self.params, matrix_seed(seed, site), calibration=sample, threads=1)
        linear = others.astype(np.float64) @ (weights + own.weight_errors(weights, site, seed))
        return float(np.sqrt(np.mean((matrix.multiply(others, threads=1) - linear) ** 2)))

    def _with_known_faults(
        self, weights: NDArray[np.int8], layout: Layout, draw: Draw, faults: Draw
    ) -> tuple[Reals, Reals]:
        """Return conductances whose variation is that of `draw`, and whose stuck cells are those of `faults`."""
        noise = self.params.noise
        none = noise.faults.model_copy(update={"stuck_lrs": 0.0, "stuck_hrs": 0.0})
        healthy = self.params.model_copy(update={"noise": noise.model_copy(update={"faults": none})})
        drawn = conductances_s(weights, layout, 0, replace(draw, params=healthy))
        hrs, lrs = device.states(self.params)
        rows, result = np.arange(layout.inputs)[:, None], []
        lines = layout.bit_lines[:, layout.place_of_column][np.arange(layout.inputs) // layout.array.rows]
        for each, stuck in zip(drawn, stuck_cells(layout, faults, 0), strict=True):
            state: Stuck = stuck[rows, lines]
            fixed = np.where(state > 0, lrs.conductance_s, hrs.conductance_s)
            result.append(np.where(state != 0, fixed, each))
        return result[0], result[1]

    def _behind_wires(self, plus: Reals, minus: Reals, layout: Layout, code: WeightCode) -> Reals:
        """Return the weights that the currents of the pairs stand for, [in, out]."""
        unit = code.channels[0].coefficient / device.step_conductance_s(self.params.cell)
        if not has_wires(self.params):
            return (plus - minus) * unit
        wires, array, result = self.params.wires, self.params.array, np.zeros_like(plus)
        solve = approximate_transfer_matrix if wires.model == "approximate" else transfer_matrix
        for left in range(layout.array_columns):
            columns = slice(left * array.usable_columns, min((left + 1) * array.usable_columns, layout.outputs))
            for top in range(layout.array_rows):
                rows = slice(top * array.rows, min((top + 1) * array.rows, layout.inputs))
                lines = layout.bit_lines[top, layout.place_of_column[columns]] - left * array.columns
                both = np.zeros((2, rows.stop - rows.start, int(lines.max()) + 1))
                both[0][:, lines], both[1][:, lines] = plus[rows, columns], minus[rows, columns]
                currents = solve(both, wires.word_line_ohm, wires.bit_line_ohm)
                result[rows, columns] = (currents[0] - currents[1])[:, lines] * unit
        return result
