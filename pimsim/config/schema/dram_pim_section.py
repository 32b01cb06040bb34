"""Section of a DRAM whose banks compute every matrix-vector product of a model."""

from typing import Literal

from pydantic import Field

from pimsim.config.schema.quantities import Area, Clock, Delay, Energy, NonNegative, Power, Rate, Section


class DramPimConfig(Section):
    """Multiply-accumulate units at all banks of `machine.memory`, which has a timing table; one unit for vectors."""

    activation: Literal["staggered", "all_banks"] = Field(
        description="staggered: the rows of the banks of a channel are opened one after another, tRRD apart and at "
        "most 4 per tFAW; all_banks: one command opens a row in each bank"
    )
    row_to_column_s: Delay | None = Field(
        description="time from the activation of a row to the first product with it; null: tRCD of the memory"
    )
    column_s: Delay | None = Field(description="time from one column of a row to the next; null: tCCD_L of the memory")
    element_bits: int = Field(
        ge=1,
        le=32,
        description="bits in a row of each weight, key and value, and of each element that is sent to a channel or "
        "read from it, whatever the trace says: the units multiply operands of this width only",
    )
    macs_per_cycle: int = Field(ge=1, le=1 << 14, description="multiply-accumulates of one unit per cycle")
    clock_hz: Clock = Field(description="clock of the units")
    accumulators: int = Field(
        ge=1, le=1 << 10, description="sums that a unit keeps; they are written and read in groups of this size"
    )
    read_energy_j_per_bit: Energy = Field(
        description="from the open row of a bank to its unit; the activation is counted apart, with the energy of the "
        "memory's timing table"
    )
    mac_energy_j: Energy = Field(description="per multiply-accumulate")
    command_energy_j: Energy = Field(
        description="of the memory controller, per column command of a channel, which reads a column of all its banks"
    )
    transfer_energy_j_per_bit: Energy = Field(
        description="between the unit for vectors and a channel: input vectors, which each channel gets, and sums"
    )
    vector_elements_per_s: Rate = Field(
        description="elements per second and pass of norms and elementwise functions on the unit for vectors"
    )
    softmax_elements_per_s: Rate = Field(description="elements per second of softmax, all passes together")
    rotary_elements_per_s: Rate = Field(description="elements per second of rotary position embeddings")
    reduction_s: NonNegative = Field(
        le=1e-3, description="time of the sum of a row of scores or of a normalised vector, and of the division by it"
    )
    score_transfers: int = Field(
        ge=0,
        le=64,
        description="times that each score passes between the unit for vectors and a bank beside the two products of "
        "attention: softmax multiplies by its scale and divides by its sums at the banks; 0: in the unit for vectors",
    )
    exchange_bytes_per_s: Rate = Field(
        description="rate at which the unit for vectors exchanges elements with single banks, all channels together",
    )
    vector_energy_j: Energy = Field(description="per element and pass on the unit for vectors")
    unit_area_m2: Area = Field(description="area of the unit at one bank, on the die of the memory")
    unit_leakage_w: Power = Field(description="leakage power of the unit at one bank")
    vector_area_m2: Area = Field(description="area of the unit for vectors and of the memory controller")
    vector_leakage_w: Power = Field(description="leakage power of the unit for vectors and of the memory controller")
