"""Section of what lies between the network and the processing elements of a tile: a memory, a bus and accumulators."""

from pydantic import Field

from pimsim.config.schema.buffer_section import BufferConfig
from pimsim.config.schema.quantities import Area, Clock, Energy, Node, Positive, Section


class StagingBufferConfig(BufferConfig):
    """A memory of a tile whose capacity does not follow from the arrays."""

    capacity_bytes: int = Field(ge=1, le=1 << 40, description="capacity of one memory")
    width_bits: int = Field(ge=1, le=1 << 16, description="bits per access")
    cycle_s: Positive = Field(le=1e-3, description="time of one access")


class BusConfig(Section):
    """The bus between the memory of a tile and its processing elements; all of them receive what it carries."""

    wires: int = Field(ge=1, le=1 << 16, description="bits per cycle")
    clock_hz: Clock = Field(description="cycles per second")
    energy_j_per_bit: Energy = Field(description="per bit on the whole bus")
    area_m2: Area = Field(description="area of the bus")
    node_nm: Node = Field(description="technology node of these figures")


class StagingConfig(Section):
    """Memory, bus and accumulators of a tile, as ISAAC and PUMA have them.

    The inputs of a vector are written to the memory as they arrive, are read once, and cross the bus to the input
    buffers of the PEs. The sums of every conversion are added up in the accumulators. The results cross the bus, and
    are written to the memory and read from it when they are sent.
    """

    memory: StagingBufferConfig
    bus: BusConfig
    accumulator: StagingBufferConfig = Field(
        description="register file of a group of PEs, in which the sums of all bit planes are added up; its accesses "
        "overlap with the conversions"
    )
    group_pes: int = Field(
        ge=1,
        le=128,
        description="PEs that share an accumulator and an input buffer, whose figures are those of pe_buffer",
    )
    sum_bits: int = Field(ge=1, le=64, description="bits of one sum in an accumulator")
