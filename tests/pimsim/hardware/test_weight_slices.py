"""Run and array agree, slice by slice, on the conversions and cells of a product; replicas divide vectors."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar.programmed_matrix import program_matrix
from crossbar.samples import random_activations, random_weights
from pimsim.config.loading import load_config
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.weight_slices import in_replicas, with_weights
from pimsim.steps.step_tree import Step, action_counts
from tests.oracles import naive_schedule, naive_tiles

PAIR = "machine.crossbar.pair"
IDEAL = (
    *(f"{PAIR}.noise.{key}=0" for key in ("variation.lrs.sigma", "variation.hrs.sigma", "read.lrs", "read.hrs")),
    *(f"{PAIR}.noise.faults.stuck_{state}=0" for state in ("lrs", "hrs")),
    *(f"{PAIR}.wires.model=none", f"{PAIR}.adc.bits=16", f"{PAIR}.adc.series=null", f"{PAIR}.adc.energy_bits=null"),
    f"{PAIR}.adc.range=full",
    *(f"{PAIR}.array.{key}" for key in ("rows=32", "columns=40", "rows_at_once=16", "adcs=8")),
)
ENCODINGS: tuple[tuple[str, str, str, int, int], ...] = (
    ("ternary", "differential", "difference", 1, 1),
    ("ternary", "offset", "difference", 1, 2),
    ("int4", "differential", "difference", 1, 3),
    ("int4", "differential", "separate", 3, 1),
    ("int4", "reference_column", "difference", 2, 2),
    ("int8", "differential", "difference", 1, 7),
    ("int8", "offset", "difference", 4, 2),
    ("int16", "offset", "difference", 2, 8),
)
"""Alphabet, cells, readout, bits of a cell, and slices of a weight by hand."""


@pytest.mark.parametrize(("weights", "cells", "readout", "cell_bits", "slices"), ENCODINGS)
def test_run_and_array_count_the_same(weights: str, cells: str, readout: str, cell_bits: int, slices: int) -> None:
    """The array multiplies 3 vectors exactly; the run counts its conversions, and the cells that it reads."""
    encoding = f"{PAIR}.encoding"
    given = {"weights": weights, "cells": cells, "readout": readout, "cell_bits": cell_bits, "activation_bits": 4}
    config = load_config("pim-llm", [*IDEAL, *(f"{encoding}.{key}={value}" for key, value in given.items())])
    crossbar = config.machine.crossbar
    assert crossbar
    assert crossbar.pair.encoding.slices == slices == naive_tiles.slices(crossbar.pair.encoding)
    matrix, vectors = (
        random_weights(crossbar.pair.encoding, 70, 45, 1),
        random_activations(crossbar.pair.encoding, 3, 70),
    )
    seen = program_matrix(matrix, crossbar.pair, 2).observe(vectors)
    assert (seen.result == vectors.astype(int) @ matrix.astype(int)).all()

    tile = CrossbarTile(crossbar)
    share = TilesShare(tile.grid(70, 45), 4, len(vectors))
    counts = action_counts(tile.work(share))
    pulses, arrays = crossbar.pair.planes(4) * len(vectors), 2 if cells == "differential" else 1
    assert counts["tile.adc_conversion"] == seen.activity.conversions
    assert seen.activity.conversions == pulses * 5 * 45 * slices * (2 if readout == "separate" else 1)  # 16+16, .., 6
    assert counts["tile.cell_read"] == pulses * matrix.size * slices * arrays


def test_a_matrix_of_another_precision_is_that_of_a_machine_of_this_precision() -> None:
    """Steps, time and width of sums; the buffers stay those of the machine."""

    def machine(weights: str) -> CrossbarConfig:
        crossbar = load_config("pim-llm", [f"{PAIR}.encoding.weights={weights}"]).machine.crossbar
        assert crossbar
        return crossbar

    ternary, int4 = CrossbarTile(machine("ternary")), CrossbarTile(machine("int4"))
    grid = int4.grid(700, 300)
    share = TilesShare(grid, 8, 5, "int4", 2)
    as_own = TilesShare(grid, 8, 5, replicas=2)
    counts, own = action_counts(ternary.work(share)), action_counts(int4.work(as_own))
    assert {action.replace("cell_read_int4", "cell_read"): count for action, count in counts.items()} == own
    energies, own_energies = ternary.action_energies_j(), int4.action_energies_j()
    assert energies["cell_read_int4"] == own_energies["cell_read"] != energies["cell_read"]
    assert own_energies["cell_read_binary"] == energies["cell_read"]
    assert energies.keys().isdisjoint({"cell_read_ternary", "cell_read_binary"}), "one mean for both"
    assert ternary.latency_ps(share) == int4.latency_ps(as_own) == naive_schedule.replay(ternary.work(share))[0]
    assert ternary.holding("int4").grid(700, 300) == grid != ternary.grid(700, 300)
    assert ternary.holding("ternary").config == ternary.config
    held = with_weights(ternary.config, "int4")
    assert (held.tile_buffer_bytes, held.pe_buffer_bytes) == (
        ternary.config.tile_buffer_bytes,
        ternary.config.pe_buffer_bytes,
    )


@pytest.mark.parametrize(("vectors", "replicas"), [(1, 1), (5, 1), (1, 4), (5, 2), (6, 3), (7, 4), (3, 8)])
def test_replicas_divide_vectors(vectors: int, replicas: int) -> None:
    work: Any = in_replicas(Step("tile", "adc", "one", 10, (("tile.x", 3),)), vectors, replicas)
    end_ps, events = naive_schedule.replay(work)
    assert end_ps == 10 * len(range(0, vectors, replicas))
    assert naive_schedule.action_counts(events) == {"tile.x": 3 * vectors} == action_counts(work)
