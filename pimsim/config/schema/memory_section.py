"""Off-chip memory: a peak bandwidth, and a timing table."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pimsim.config.schema.quantities import Delay, Energy, NonNegative, Positive, Power, Section


class DramConfig(Section):
    """The DRAM behind the peak: banks, rows, the timing table, the scheduler. See docs/memory.md."""

    pseudo_channels: int = Field(
        ge=1, le=4, description="parts of a channel with banks and a data bus of their own (HBM2: 2)"
    )
    bank_groups: int = Field(ge=1, le=64, description="per (pseudo-)channel; 1: no groups")
    banks_per_group: int = Field(ge=1, le=64, description="per bank group")
    rows: int = Field(ge=1, le=1 << 24, description="per bank")
    row_bytes: int = Field(ge=32, le=1 << 16, description="of one row of one bank (a page)")
    burst_bytes: int = Field(ge=8, le=1 << 10, description="that one read or write command moves")
    burst_s: Delay = Field(description="time of a burst on the data bus")
    tccd_short_s: Delay = Field(description="tCCD_S: column command to column command, another bank group")
    tccd_long_s: Delay = Field(description="tCCD_L: column command to column command, same bank group")
    trcd_s: Delay = Field(description="tRCD: activate to read or write")
    trp_s: Delay = Field(description="tRP: precharge to activate")
    tras_s: Delay = Field(description="tRAS: activate to precharge")
    trc_s: Delay = Field(description="tRC: activate to activate, same bank")
    trrd_short_s: Delay = Field(description="tRRD_S: activate to activate, another bank group")
    trrd_long_s: Delay = Field(description="tRRD_L: activate to activate, same bank group")
    tfaw_s: Delay = Field(description="tFAW: window of at most four activates")
    read_latency_s: Delay = Field(description="RL: read command to the first of its data")
    write_latency_s: Delay = Field(description="WL: write command to the first of its data")
    trtp_s: Delay = Field(description="tRTP: read to precharge")
    twr_s: Delay = Field(description="tWR: end of write data to precharge")
    twtr_short_s: Delay = Field(description="tWTR_S: end of write data to read, another bank group")
    twtr_long_s: Delay = Field(description="tWTR_L: end of write data to read, same bank group")
    read_to_write_gap_s: Delay = Field(description="data bus idle between the data of a read and of a write")
    refresh: bool = Field(description="all banks of a channel every tREFI, and nothing else meanwhile")
    trfc_s: Delay = Field(description="tRFCab: refresh of all banks to activate")
    trefi_s: Delay = Field(description="tREFI: time between refreshes")
    mapping: Literal["row_bank_column_group", "row_bank_group_column", "bank_row_column_group"] = Field(
        description="from the highest to the lowest part of an address within a channel; with the group lowest a "
        "stream takes the bank groups in turn, burst by burst; with the bank highest it stays in one bank of each"
    )
    interleave_bytes: int = Field(ge=8, le=1 << 20, description="that follow one another on one (pseudo-)channel")
    chunk_bytes: int = Field(
        ge=8, le=1 << 16, description="arbitration: most that a job moves on a channel before another's turn"
    )
    scheduler: Literal["fcfs", "fr_fcfs"] = Field(
        description="fcfs: jobs take turns; fr_fcfs: same direction first, then open rows, then turns"
    )
    turnaround_batch: int = Field(
        ge=1, le=1 << 16, description="fr_fcfs: chunks in one direction after which those of the other have their turn"
    )
    queue_depth: int = Field(
        ge=1, le=1 << 10, description="chunks per channel that are being served, rows opened ahead of their turn"
    )
    page_policy: Literal["open", "closed"] = Field(
        description="open: a row stays open until another is needed; closed: until the end of its chunk"
    )
    activate_energy_j: Energy = Field(description="per row, precharge included")
    read_energy_j_per_bit: Energy = Field(description="device and interface")
    write_energy_j_per_bit: Energy = Field(description="device and interface")
    refresh_energy_j: Energy = Field(description="per refresh of a (pseudo-)channel; charged like background power")

    @model_validator(mode="after")
    def _is_a_part(self) -> DramConfig:
        for name in ("row_bytes", "interleave_bytes", "chunk_bytes"):
            if getattr(self, name) % self.burst_bytes:
                raise ValueError(f"{name} must be a multiple of burst_bytes")
        if not self.burst_s <= self.tccd_short_s <= self.tccd_long_s <= self.bank_groups * self.tccd_short_s:
            raise ValueError("expected burst_s <= tccd_short_s <= tccd_long_s <= bank_groups * tccd_short_s")
        if self.trrd_short_s > self.trrd_long_s or self.twtr_short_s > self.twtr_long_s:
            raise ValueError("a delay within a bank group (long) must not be below that between groups (short)")
        if self.tras_s > self.trc_s:
            raise ValueError("tras_s must not exceed trc_s")
        if self.trefi_s < 2 * (self.trfc_s + self.trp_s + self.trcd_s + self.twr_s):
            raise ValueError("trefi_s leaves less than half of the time beside refreshes")
        return self

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Peak of a (pseudo-)channel, by its data bus."""
        return self.burst_bytes / self.burst_s

    @property
    def stream_efficiency(self) -> float:
        """Part of the peak that a long stream of reads keeps, by the table: tCCD, and what a refresh costs. Rows are
        opened while others are read.
        """
        grouped = self.mapping != "row_bank_group_column"
        spacing_s = self.tccd_short_s if grouped else self.tccd_long_s
        efficiency = self.burst_s / spacing_s
        if self.refresh:
            opening_s = max(self.trrd_short_s - spacing_s, 0) * (self.bank_groups - 1 if grouped else 0)
            lost_s = self.trtp_s + self.trp_s + self.trfc_s + self.trcd_s - spacing_s + opening_s
            efficiency *= 1 - lost_s / self.trefi_s
        return efficiency


class MemoryConfig(Section):
    """Off-chip memory: peak bandwidth behind a first latency, energy per bit; with `dram`, by its timing table.
    Presets: ``configs/memory-*.yaml``.
    """

    part: str = Field(min_length=1, max_length=100, description="what it is, for reports")
    channels: int = Field(ge=1, le=1024, description="addressed round robin")
    channel_bandwidth_bytes_per_s: Positive = Field(le=1e15, description="peak, one channel")
    access_latency_s: NonNegative = Field(le=1e-3, description="from a request to its first byte, idle memory")
    energy_j_per_bit: Energy = Field(description="device and interface, read or write")
    background_w: Power = Field(description="all channels; charged like leakage")
    block_bytes: int = Field(ge=64, le=1 << 30, description="bytes that one step of the simulation transfers")
    dram: DramConfig | None = Field(description="banks, rows and the timing table; null: peak bandwidth and latency")

    @model_validator(mode="after")
    def _agrees_with_its_timing_table(self) -> MemoryConfig:
        if self.dram is None:
            return self
        peak = self.dram.pseudo_channels * self.dram.bandwidth_bytes_per_s
        if abs(peak - self.channel_bandwidth_bytes_per_s) > 1e-3 * peak:
            raise ValueError(
                f"channel_bandwidth_bytes_per_s is {self.channel_bandwidth_bytes_per_s:g}, but bursts of dram add up "
                f"to {peak:g}"
            )
        first_s = self.dram.trcd_s + self.dram.read_latency_s
        if abs(first_s - self.access_latency_s) > 1e-12:
            raise ValueError(f"access_latency_s must be trcd_s + read_latency_s of dram, {first_s * 1e9:g} ns")
        return self
