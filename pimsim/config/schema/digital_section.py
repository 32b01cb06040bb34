"""Sections of the digital components of the chip, of its host and of the links to other chips."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pimsim.config.schema.buffer_section import BufferConfig
from pimsim.config.schema.quantities import (
    Area,
    CellClass,
    Clock,
    Dimension,
    Energy,
    Node,
    NonNegative,
    Positive,
    Power,
    Section,
)

Dataflow = Literal["os", "ws", "is"]


class SystolicConfig(Section):
    """A systolic array of rows x columns 8-bit MACs."""

    count: int = Field(
        ge=1,
        le=1024,
        description="number of arrays; attention heads are distributed over them under the dataflow schedule",
    )
    rows: Dimension = Field(
        description="multiply-accumulate units per column. The outputs of a vector lie along the rows under os; under "
        "ws and is, the elements of the dot products do"
    )
    columns: Dimension = Field(
        description="multiply-accumulate units per row. The outputs of a vector lie along the columns under ws; under "
        "os and is, the vectors do"
    )
    dataflow: Dataflow = Field(
        description="operand that stays in the array. os: outputs; ws: weights, in attention K and V; is: inputs, in "
        "attention queries and probabilities"
    )
    clock_hz: Clock = Field(description="clock; one multiply-accumulate per unit and cycle")
    mac_energy_j: Energy = Field(description="per multiply-accumulate of a matrix multiplication")
    unit_cycle_energy_j: Energy = Field(
        description="per multiply-accumulate unit and cycle while the array computes, fills or drains (clock and "
        "registers), whether the unit has operands or not"
    )
    cycle_energy_j: Energy = Field(
        description="per cycle of the whole array while it computes, fills or drains (clock, registers, control), in "
        "addition to unit_cycle_energy_j; it does not grow with the array"
    )
    cycle_energy_array: Annotated[tuple[Dimension, Dimension], Field(strict=False)] | None = Field(
        description="rows and columns of the only array that cycle_energy_j holds for, such as the one that it was "
        "fitted to; another size is then refused; null: any size"
    )
    leakage_w: Power = Field(description="leakage power of one array")
    pe_area_m2: Area = Field(description="area of one MAC unit with its registers")
    node_nm: Node | None = Field(
        description="technology node of these energies and areas; null: they have no single node, and "
        "machine.technology_nm is refused"
    )

    @model_validator(mode="after")
    def _cycle_energy_is_that_of_the_array(self) -> Self:
        if self.cycle_energy_j and self.cycle_energy_array not in (None, (self.rows, self.columns)):
            fitted = " x ".join(map(str, self.cycle_energy_array or ()))
            raise ValueError(
                f"cycle_energy_j holds for an array of {fitted} only (cycle_energy_array), not for {self.rows} x "
                f"{self.columns}: set it to 0 J and state mac_energy_j and unit_cycle_energy_j, which hold for any size"
            )
        return self


class ControllerConfig(Section):
    """The controller, which issues one command per matrix multiplication, vector pass or transfer."""

    clock_hz: Clock = Field(description="clock of the command queue")
    issue_cycles: int = Field(ge=0, le=1 << 20, description="cycles from one command to the next")
    command_energy_j: Energy | None = Field(
        description="per command; null: a read of a 64-bit word of the command store (docs/technology.md)"
    )
    leakage_w: Power | None = Field(description="leakage power of the controller; null: of its command store")
    area_m2: Area | None = Field(description="area of the controller; null: of its command store")
    store_bytes: int = Field(ge=1, le=1 << 40, description="capacity of the command store, an SRAM of 64 bits")
    cell_class: CellClass = Field(
        description="class of the transistors for figures that are null. hp: high performance; lop: low operating "
        "power; lstp: low standby power"
    )
    node_nm: Node = Field(description="technology node of these figures; also of null ones, without technology_nm")


class HostConfig(Section):
    """The host processor, which sends one request per op to the queue of the controller."""

    request_interval_s: NonNegative = Field(le=1e-3, description="time between two requests")
    queue_depth: int = Field(ge=1, le=1 << 20, description="requests that fit into the queue of the controller")
    request_energy_j: Energy = Field(description="per request, including the link to the chip")


class VectorConfig(Section):
    """The vector unit: softmax, normalization, activation functions and residuals, on `lanes` elements per cycle."""

    count: int = Field(
        ge=1,
        le=1024,
        description="number of units; attention slices are distributed over them under the dataflow schedule",
    )
    lanes: Dimension = Field(description="elements that the unit processes in parallel")
    clock_hz: Clock = Field(description="clock; one element per lane and cycle")
    softmax: Literal["consmax", "exact"] = Field(
        description="consmax: one pass with learned constants (arXiv:2402.10930); exact: three passes, for maximum, "
        "sum and division"
    )
    pipeline_cycles: int = Field(
        ge=0, le=1 << 16, description="pipeline latency of a pass, in addition to the cycles for its elements"
    )
    operation_energy_j: Energy = Field(description="per element and pass")
    leakage_w: Power = Field(description="leakage power of one unit")
    lane_area_m2: Area = Field(description="area of one lane")
    node_nm: Node | None = Field(
        description="technology node of these energies and areas; null: they have no single node, and "
        "machine.technology_nm is refused"
    )


class OperandBuffersConfig(Section):
    """Separate buffers of the operands of projections on the systolic array, as SCALE-Sim has them.

    A buffer keeps what is loaded until it has loaded its capacity, and is then emptied. So an operand that several
    folds use is loaded again if it does not fit.
    """

    activations_bytes: int = Field(ge=1, le=1 << 40, description="inputs that are loaded until the buffer is emptied")
    weights_bytes: int = Field(ge=1, le=1 << 40, description="weights that are loaded until the buffer is emptied")


class SramConfig(BufferConfig):
    """The global buffer: on-chip SRAM between memory, digital units and crossbar banks."""

    capacity_bytes: int = Field(
        ge=1,
        le=1 << 40,
        description="capacity. contended schedule: a streamed operand that is larger than its share of the buffer "
        "(mapping.stream_buffers per systolic array) is split between folds; other schedules assume that operands are "
        "split so that they fit",
    )
    width_bits: int = Field(ge=8, le=1 << 20, description="bits per access")
    clock_hz: Clock = Field(description="clock; one access per cycle and port")
    ports: int | None = Field(
        ge=1,
        le=64,
        description="accesses per cycle. A unit that streams its operands or results takes at least the time of its "
        "accesses; under the contended schedule all units share the ports. null: streamed accesses take no time, and "
        "those of the crossbar banks one cycle each",
    )
    banks: int | None = Field(
        ge=1,
        le=4096,
        description="single-ported banks behind the ports; accesses of the same cycle to the same bank conflict "
        "(docs/model.md). null: the ports never conflict. No effect with at most one port",
    )
    operand_buffers: OperandBuffersConfig | None = Field(
        description="separate buffers of operands, which are loaded again for folds that do not find them there; null: "
        "operands of projections are loaded once"
    )


class ChipLinkConfig(Section):
    """The link from one chip to the next, in one direction."""

    bandwidth_bps: Positive = Field(le=1e18, description="payload that leaves a chip per second")
    latency_s: NonNegative = Field(le=1e-3, description="time from sending to receiving the first bit")
    packet_bytes: int = Field(
        ge=1, le=1 << 30, description="payload of one packet; one step of the simulation transfers it"
    )
    energy_j_per_bit: Energy = Field(description="both ends of the link together")
    leakage_w: Power = Field(description="leakage power of all link interfaces of one chip")
    area_m2: Area = Field(description="area of all link interfaces of one chip")


class ChipsConfig(Section):
    """A chain of chips that share the layers of a model. Each chip has all components, including memory."""

    count: int = Field(
        ge=1,
        le=1 << 16,
        description="number of chips; more than one only with mapping.provisioning whole_model or swap",
    )
    reticle_area_m2: Positive = Field(
        le=1.0, description="largest chip area that a single lithographic exposure can print"
    )
    link: ChipLinkConfig
