"""Sections of the units that compute attention where the KV cache lies: at the banks of DRAM, or inside SRAM."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pimsim.config.schema.quantities import Area, Clock, Delay, Energy, Power, Section


class NearMemoryConfig(Section):
    """Multiply-accumulate units at the banks, bank groups or channels of `machine.memory`, which has a timing table."""

    level: Literal["bank", "bank_group", "channel"] = Field(
        description="where the units are. bank: one at each bank, and all banks of a (pseudo-)channel read a row at "
        "the same time; bank_group, channel: one at each bank group or (pseudo-)channel, which reads one of its banks "
        "at a time and opens rows of the others meanwhile"
    )
    activation: Literal["staggered", "all_banks"] = Field(
        description="staggered: the rows of several banks are opened one after another, tRRD apart and at most 4 per "
        "tFAW; all_banks: one command opens a row in each bank, which needs a supply that carries the current"
    )
    column_s: Delay | None = Field(
        description="time from one column read to the next of the same unit; null: tCCD_L of the memory for units at "
        "banks and bank groups, tCCD_S for units at channels"
    )
    macs_per_cycle: int = Field(ge=1, le=1 << 14, description="multiply-accumulates of one unit per cycle, 8-bit")
    clock_hz: Clock = Field(description="clock of the units")
    mac_energy_j: Energy = Field(description="per multiply-accumulate")
    read_energy_j_per_bit: Energy = Field(
        description="from the open row of a bank to the unit; the activation of the row is counted apart, with the "
        "energy of the memory's timing table"
    )
    transfer_energy_j_per_bit: Energy = Field(
        description="between the chip and a unit: queries, attention weights and results"
    )
    unit_area_m2: Area = Field(description="area of one unit, on the die of the memory")
    unit_leakage_w: Power = Field(description="leakage power of one unit")


class SramCimConfig(Section):
    """Compute-in-memory macros of SRAM that hold keys and values as they are used."""

    macros: int = Field(ge=1, le=1 << 22, description="number of macros")
    rows: int = Field(ge=1, le=1 << 14, description="rows of cells of a macro")
    columns: int = Field(ge=1, le=1 << 14, description="columns of cells; an element takes as many as it has bits")
    active_rows: int = Field(
        ge=1, le=1 << 14, description="rows whose products one access adds; a divisor of rows, which are used in turn"
    )
    input_bits_per_cycle: int = Field(
        ge=1, le=16, description="bits of an input that a cycle takes; 1: inputs are bit-serial"
    )
    clock_hz: Clock = Field(description="clock of the macros and of their bus")
    write_bits_per_cycle: int = Field(
        ge=1, le=1 << 14, description="cells of a macro that a cycle writes, along a row or along a column"
    )
    bus_bits_per_cycle: int = Field(
        ge=8, le=1 << 20, description="width of the bus between the global buffer and the macros"
    )
    bit_mac_energy_j: Energy = Field(description="per product of one input bit and one cell, with its addition")
    write_energy_j_per_bit: Energy = Field(description="per cell that is written")
    add_energy_j: Energy = Field(description="per addition of the partial sums of two groups of rows")
    bus_energy_j_per_bit: Energy = Field(description="per bit on the bus")
    macro_area_m2: Area = Field(description="area of one macro")
    macro_leakage_w: Power = Field(description="leakage power of one macro")
    overflow: Literal["swap", "refuse"] = Field(
        description="a KV cache that is larger than the macros. swap: the rest stays in memory, and is read and "
        "written into the last swap_macros macros whenever it is used; refuse: an error"
    )
    swap_macros: int = Field(
        ge=1, le=1 << 22, description="overflow=swap: macros that hold no part of the cache permanently"
    )

    swap_path: Literal["global_buffer", "direct"] = Field(
        description="overflow=swap: way of the rest from memory into macros. global_buffer: through the global buffer "
        "and its port, as all that is read from memory; direct: over a path of its own to the bus of the macros"
    )

    @model_validator(mode="after")
    def _groups_of_rows(self) -> Self:
        if self.rows % self.active_rows:
            raise ValueError(f"active_rows must be a divisor of rows={self.rows}, not {self.active_rows}")
        if self.overflow == "swap" and self.swap_macros > self.macros:
            raise ValueError(f"swap_macros must be at most macros={self.macros}, not {self.swap_macros}")
        return self

    @property
    def groups(self) -> int:
        """Groups of rows of a macro, of which one is accessed at a time."""
        return self.rows // self.active_rows
