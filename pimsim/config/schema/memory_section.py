"""Sections of the off-chip memory: peak bandwidth, and the timing table of its DRAM."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pimsim.config.schema.quantities import Delay, Energy, NonNegative, Positive, Power, Section
from pimsim.config.schema.registered_names import DramStandardName


class DramConfig(Section):
    """DRAM of the memory: banks, rows, timing table and scheduler. See docs/memory.md."""

    standard: DramStandardName = Field(
        default="common",
        description="name of the data file with the commands and timing rules, such as lpddr5; shipped with pimsim or "
        "registered. Without it: the rules that a table had before standards were data files",
    )
    pseudo_channels: int = Field(
        ge=1, le=4, description="pseudo-channels per channel, each with its own banks and data bus (HBM2: 2)"
    )
    bank_groups: int = Field(ge=1, le=64, description="bank groups per (pseudo-)channel; 1: no groups")
    banks_per_group: int = Field(ge=1, le=64, description="banks per bank group")
    rows: int = Field(ge=1, le=1 << 24, description="rows per bank")
    row_bytes: int = Field(ge=32, le=1 << 16, description="size of one row of one bank (a page)")
    burst_bytes: int = Field(ge=8, le=1 << 10, description="data that one read or write command transfers")
    burst_s: Delay = Field(description="time of a burst on the data bus")
    tccd_short_s: Delay = Field(description="tCCD_S: column command to column command, another bank group")
    tccd_long_s: Delay = Field(description="tCCD_L: column command to column command, same bank group")
    trcd_s: Delay = Field(description="tRCD: activate to read or write")
    trp_s: Delay = Field(description="tRP: precharge to activate")
    tras_s: Delay = Field(description="tRAS: activate to precharge")
    trc_s: Delay = Field(description="tRC: activate to activate, same bank")
    trrd_short_s: Delay = Field(description="tRRD_S: activate to activate, another bank group")
    trrd_long_s: Delay = Field(description="tRRD_L: activate to activate, same bank group")
    tfaw_s: Delay = Field(description="tFAW: time window in which at most four activates are allowed")
    read_latency_s: Delay = Field(description="RL: read command to the first of its data")
    write_latency_s: Delay = Field(description="WL: write command to the first of its data")
    trtp_s: Delay = Field(description="tRTP: read to precharge")
    twr_s: Delay = Field(description="tWR: end of write data to precharge")
    twtr_short_s: Delay = Field(description="tWTR_S: end of write data to read, another bank group")
    twtr_long_s: Delay = Field(description="tWTR_L: end of write data to read, same bank group")
    read_to_write_gap_s: Delay = Field(
        description="idle time of the data bus between the data of a read and of a write"
    )
    refresh: bool | Literal["all_bank", "per_bank"] = Field(
        description="all_bank (or true): all banks of a channel are refreshed every tREFI, and the channel is blocked "
        "meanwhile; per_bank: single banks or pairs in turn, as the standard says, and the others go on; false: none"
    )
    trfc_s: Delay = Field(description="tRFCab: refresh of all banks to activate")
    trefi_s: Delay = Field(description="tREFI: time between refreshes")
    timings: dict[str, Delay | None] = Field(
        default={},
        description="further timings that the rules of the standard name, such as trfc_bank_s; null: not given",
    )
    mapping: Literal["row_bank_column_group", "row_bank_group_column", "bank_row_column_group"] = Field(
        description="order of the address fields within a channel, from the most to the least significant. With the "
        "bank group last, consecutive bursts alternate between bank groups; with the bank first, a stream stays in "
        "one bank of each group"
    )
    interleave_bytes: int = Field(
        ge=8, le=1 << 20, description="consecutive bytes on one (pseudo-)channel before the next one follows"
    )
    chunk_bytes: int = Field(
        ge=8,
        le=1 << 16,
        description="arbitration: largest amount that a job transfers on a channel before the next job has its turn",
    )
    scheduler: Literal["fcfs", "fr_fcfs"] = Field(
        description="fcfs: jobs take turns; fr_fcfs: chunks in the current direction first, then chunks for open "
        "rows, then in turn"
    )
    turnaround_batch: int = Field(
        ge=1,
        le=1 << 16,
        description="fr_fcfs: number of chunks in one direction (read or write) after which the other direction has "
        "its turn",
    )
    queue_depth: int = Field(
        ge=1,
        le=1 << 10,
        description="chunks per channel that the controller considers at once; it opens their rows in advance",
    )
    page_policy: Literal["open", "closed"] = Field(
        description="open: a row stays open until another row is needed; closed: a row is closed at the end of its "
        "chunk"
    )
    activate_energy_j: Energy = Field(description="per activated row, including the precharge")
    read_energy_j_per_bit: Energy = Field(description="device and interface")
    write_energy_j_per_bit: Energy = Field(description="device and interface")
    refresh_energy_j: Energy = Field(
        description="per refresh of all banks of a (pseudo-)channel, at once or in turn; counted like background power"
    )

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
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
            raise ValueError("trefi_s is too short: refreshes would use more than half of the time")
        return self

    def __hash__(self) -> int:
        return hash((*(value for key, value in self if key != "timings"), *sorted(self.timings)))

    @property
    def banks(self) -> int:
        """Banks of a (pseudo-)channel, which share its data bus."""
        return self.bank_groups * self.banks_per_group

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Peak bandwidth of a (pseudo-)channel in bytes per second, from the width and speed of its data bus."""
        return self.burst_bytes / self.burst_s

    @property
    def stream_efficiency(self) -> float:
        """Fraction of the peak bandwidth that a long stream of reads achieves.

        The losses follow from the timing table: the time tCCD between bursts, and the refreshes of all banks. Those of
        single banks are not included. Opening of rows costs no time, because it overlaps with reads of other rows.

        Reference:
            docs/memory.md, eq. (4) to (6).
        """
        grouped = self.mapping != "row_bank_group_column"
        spacing_s = self.tccd_short_s if grouped else self.tccd_long_s
        efficiency = self.burst_s / spacing_s
        if self.refresh in (True, "all_bank"):
            opening_s = max(self.trrd_short_s - spacing_s, 0) * (self.bank_groups - 1 if grouped else 0)
            lost_s = self.trtp_s + self.trp_s + self.trfc_s + self.trcd_s - spacing_s + opening_s
            efficiency *= 1 - lost_s / self.trefi_s
        return efficiency


class InterfacesConfig(Section):
    """Separate interfaces to the memory, as SCALE-Sim has them; each has its own rate and serves its own requests."""

    activations_bytes_per_s: Positive = Field(le=1e15, description="loading of the inputs of matmuls")
    weights_bytes_per_s: Positive = Field(le=1e15, description="all other reads: weights, KV cache, embedding table")
    results_bytes_per_s: Positive = Field(le=1e15, description="all writes")


class MemoryConfig(Section):
    """Off-chip memory: capacity, access latency, peak bandwidth and energy per bit; with `dram`, a timing table.

    Presets: ``configs/memory-*.yaml``.
    """

    part: str = Field(min_length=1, max_length=100, description="name of the memory in reports")
    channels: int = Field(
        ge=1, le=1024, description="number of channels; consecutive blocks of addresses are distributed over them"
    )
    channel_bandwidth_bytes_per_s: Positive = Field(le=1e15, description="peak bandwidth of one channel")
    access_latency_s: NonNegative = Field(
        le=1e-3, description="time from a request to its first byte if the memory is idle"
    )
    read_energy_j_per_bit: Energy = Field(description="device and interface, per bit read")
    write_energy_j_per_bit: Energy = Field(description="device and interface, per bit written")
    background_w: Power = Field(description="background power of all channels; counted like leakage")
    capacity_bytes: int | None = Field(
        ge=1,
        le=1 << 50,
        description="capacity of the memory of one chip, for weights, KV caches and activations that exceed the global "
        "buffer; serving: a request waits until its complete KV cache fits; null: no limit",
    )
    block_bytes: int = Field(ge=64, le=1 << 30, description="amount of data that one step of the simulation transfers")
    interfaces: InterfacesConfig | None = Field(
        description="rates of separate interfaces for activations, weights and results, which transfer at the same "
        "time and replace the peak bandwidth of the channels; null: all requests share the channels"
    )
    dram: DramConfig | None = Field(
        description="banks, rows and timing table; null: only latency and peak bandwidth are modelled"
    )

    @model_validator(mode="after")
    def _interfaces_replace_channels(self) -> Self:
        if self.interfaces is not None and self.dram is not None:
            raise ValueError("interfaces and dram exclude each other: the timing table is one of shared channels")
        return self

    @model_validator(mode="after")
    def _agrees_with_its_timing_table(self) -> Self:
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
