"""Row-parallel commands of DRAM: rows of several banks are opened, read at the same time inside the memory, and closed.

A round opens one row in each of some banks of a (pseudo-)channel, reads a number of columns of each, and closes them.
The banks are in lockstep: one command reads the same column of all of them.

Reference:
    docs/near-memory.md, eq. (1) to (4). The command set is that of AttAcc (Park et al., ASPLOS 2024;
    scale-snu/attacc_simulator, pim_ramulator_src/HBM3-PIM.cpp): ACTAB, MACAB and PREA under tRCD, tRAS, tRC, tRTP, tRP.
"""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.config.schema import DramConfig

WINDOW = 4
"""Activations that the time window tFAW allows."""


@dataclass(frozen=True, slots=True)
class RowCommands:
    """Times of row-parallel commands on one (pseudo-)channel.

    Attributes:
        dram: Timing table.
        all_banks: True if one command opens a row in every bank; False if tRRD and tFAW apply to each row.
    """

    dram: DramConfig
    all_banks: bool = False

    def opening_s(self, banks: int) -> float:
        """Return the time from the first activation of a round to the last one.

        Args:
            banks: Number of banks that open a row.

        Returns:
            Seconds.

        Reference:
            docs/near-memory.md, eq. (1).
        """
        if self.all_banks:
            return 0.0
        windows, rest = divmod(banks - 1, WINDOW)
        apart = self.dram.trrd_short_s
        return windows * max(self.dram.tfaw_s, WINDOW * apart) + rest * apart

    def round_s(self, banks: int, columns: int, column_s: float) -> float:
        """Return the time of a round, from its first activation to the first one of the next round.

        Args:
            banks: Number of banks that open a row.
            columns: Columns that are read of each row.
            column_s: Time from one column to the next, at least that of the column command, seconds.

        Returns:
            Seconds, without refreshes.

        Reference:
            docs/near-memory.md, eq. (2).
        """
        dram, opened_s = self.dram, self.opening_s(banks)
        read_s = opened_s + dram.trcd_s + (columns - 1) * column_s + dram.trtp_s
        return max(max(read_s, opened_s + dram.tras_s) + dram.trp_s, opened_s + dram.trc_s)

    def stream_s(self, units: int, banks: int, columns: int, column_s: float) -> float:
        """Return the time of a row of each unit, where each unit has several banks and opens their rows in advance.

        Args:
            units: Number of units that read at the same time.
            banks: Number of banks of a unit.
            columns: Columns that are read of each row.
            column_s: Time from one column to the next, seconds.

        Returns:
            Seconds per row in a long stream, without refreshes: the columns, the activations, or the banks.

        Reference:
            docs/near-memory.md, eq. (3).
        """
        dram = self.dram
        apart = 0.0 if self.all_banks else units * max(dram.trrd_short_s, dram.tfaw_s / WINDOW)
        return max(columns * column_s, apart, dram.trc_s / banks)

    @property
    def refresh_factor(self) -> float:
        """Time with refreshes of all banks over time without: the units wait for them, whatever the memory's mode is.

        Reference:
            docs/near-memory.md, eq. (4).
        """
        return 1 / (1 - self.dram.trfc_s / self.dram.trefi_s) if self.dram.refresh else 1.0
