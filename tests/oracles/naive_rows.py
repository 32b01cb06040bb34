"""Row commands one by one: each activation, column and precharge at its earliest legal time, all banks in lockstep."""

from __future__ import annotations

from pimsim.config.schema import DramConfig


def first_activations(dram: DramConfig, banks: int, columns: int, column_s: float, *, all_banks: bool) -> list[float]:
    """Return the times of the first activation of three rounds in a row, seconds; the third is after two rounds."""
    acts: list[float] = []
    closed_s, starts = 0.0, []
    for _ in range(3):
        opened: list[float] = []
        for bank in range(banks):
            earliest = closed_s
            if acts and not all_banks:
                earliest = max(earliest, acts[-1] + dram.trrd_short_s)
                earliest = max(earliest, acts[-4] + dram.tfaw_s if len(acts) >= 4 else 0.0)
            if len(acts) >= banks and not all_banks:
                earliest = max(earliest, acts[-banks] + dram.trc_s)
            opened.append(earliest if not (all_banks and bank) else opened[0])
            acts.append(opened[-1])
        starts.append(opened[0])
        column = max(opened) + dram.trcd_s
        for _ in range(columns - 1):
            column += column_s
        precharge = max(column + dram.trtp_s, max(opened) + dram.tras_s)
        closed_s = max(precharge + dram.trp_s, max(opened) + dram.trc_s)
    return starts
