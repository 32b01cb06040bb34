"""Sections of the crossbar tiles and of the network between them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from crossbar.params import CrossbarParams
from crossbar.partial_sums import partial_sum_bits
from crossbar.thermal import at_temperature
from pimsim.config.schema.buffer_section import BufferConfig
from pimsim.config.schema.quantities import (
    Area,
    Clock,
    Energy,
    Node,
    NonNegative,
    Positive,
    Section,
)
from pimsim.config.schema.registered_names import TopologyName
from pimsim.config.schema.staging_section import StagingConfig

PlacementOrder = Literal["rows", "snake", "shells", "diagonals"]

VECTORS_HELD = 2
"""Vectors that a buffer of a tile holds: one is written while the other is read."""


class TileBufferConfig(BufferConfig):
    """One SRAM buffer of the crossbar component: the input buffer of a PE, or the output buffer of a tile."""

    capacity_bytes: int | None = Field(
        ge=1,
        le=1 << 40,
        description="capacity of one buffer, at least two vectors; null: just these (docs/technology.md)",
    )
    width_bits: int = Field(ge=1, le=1 << 16, description="bits per access")
    cycle_s: Positive = Field(le=1e-3, description="time of one access")


class TileDigitalConfig(Section):
    """Digital circuits of PEs and tiles: registers, decoders, multiplexers, shift-add units and merge trees."""

    clock_hz: Clock = Field(description="clock of registers, shift-add units and merge trees")
    row_decoder_s: NonNegative = Field(
        le=1e-3, description="delay of the row decoder, per group of rows that it can select"
    )
    column_mux_s: NonNegative = Field(
        le=1e-3, description="delay of the column multiplexer, per column that shares an ADC"
    )
    add_energy_j: Energy = Field(description="per addition of the value of one column (shift-add or merge)")
    register_energy_j: Energy = Field(description="per value stored in an input or output register")
    multiply_energy_j: Energy = Field(
        description="per multiplication of 8 x 8 bits by a gain (pair.correction); proportional to both widths"
    )
    pe_area_m2: Area = Field(description="digital circuits of one PE, without multipliers of gains")
    multiplier_area_m2: Area = Field(
        description="multiplier of 8 x 8 bits behind one ADC, with pair.correction.gains; proportional to both widths"
    )
    node_nm: Node | None = Field(
        description="technology node of these energies, delays and areas; null: they have no single node, and "
        "machine.technology_nm is refused"
    )


class CrossbarConfig(Section):
    """Tiles of PEs. A PE is a pair of ReRAM arrays (or one array, for single cells) with converters."""

    pair: CrossbarParams
    calibration_vectors: int = Field(
        ge=0,
        le=1 << 20,
        description="sample vectors per matrix that determine calibrated ADC ranges and gains, multiplied once after "
        "the weights are loaded; 0: no time or energy is counted for it",
    )
    activity: str | None = Field(
        min_length=1,
        max_length=4096,
        description="file that pimsim array --out wrote: the energies of cells and DACs follow from its measured "
        "activity, and those of ADCs with pair.adc.code_energy; null: from pair.cell.read_activity and the mean "
        "conductance of a cell (docs/array.md)",
    )
    rewrite_interval_s: Positive | None = Field(
        le=1e12,
        description="time between two rewrites of all weights that stay on the chip; products are those of the oldest "
        "cells, at its end. null: weights are written once, and pair.noise.drift.age_s is the age of the cells",
    )
    pes_per_tile: int = Field(ge=1, le=128, description="PEs that share a merge tree and an output buffer")
    banks: int = Field(
        ge=1, le=1 << 16, description="number of tile meshes on a chip (provisioning whole_model and swap)"
    )
    output_bits: int | None = Field(
        ge=1,
        le=64,
        description="bits of every partial sum that leaves its tile, and of the merged sums; fewer than the sum needs "
        "round it. null: every sum is as wide as the rows that it adds need (docs/network.md)",
    )
    tile_outputs: Literal["concatenated", "merged"] = Field(
        description="what a tile stores and sends per vector. merged: the sums that its merge tree leaves, one per "
        "output; concatenated: one value per column of each PE, as MNSIM counts"
    )
    intra_tile_bandwidth_bps: Positive = Field(
        le=1e18, description="bandwidth from the PEs to the output buffer of their tile"
    )
    digital: TileDigitalConfig
    pe_buffer: TileBufferConfig
    tile_buffer: TileBufferConfig
    staging: StagingConfig | None = Field(
        description="memory, bus and accumulators between the network and the PEs of a tile; null: none, as MNSIM"
    )

    def operating_pair(self, temperature_k: float | None) -> CrossbarParams:
        """Return the parameters of the arrays when they are read.

        Args:
            temperature_k: Temperature of the machine; None: arrays have that of their own constants.

        Returns:
            Arrays at their temperature, whose cells are as old as the interval between two rewrites allows.
        """
        pair = self.pair
        if pair.thermal.temperature_k is None and temperature_k is not None:
            thermal = pair.thermal.model_copy(update={"temperature_k": temperature_k})
            pair = pair.model_copy(update={"thermal": thermal})
        if self.rewrite_interval_s is not None:
            drift = pair.noise.drift.model_copy(update={"age_s": self.rewrite_interval_s})
            pair = pair.model_copy(update={"noise": pair.noise.model_copy(update={"drift": drift})})
        return at_temperature(pair)

    @property
    def input_vector_bytes(self) -> int:
        """Bytes of an input vector of one PE: one element per row (docs/technology.md, eq. (8))."""
        return -(-self.pair.array.rows * self.pair.encoding.activation_bits // 8)

    @property
    def output_vector_bytes(self) -> int:
        """Bytes that a tile writes for one vector: a value per weight of a PE's row (docs/technology.md, eq. (9))."""
        encoding, rows = self.pair.encoding, self.pes_per_tile * self.pair.array.rows
        if self.output_bits is None:
            bits = partial_sum_bits(encoding, encoding.activation_bits, rows)
        else:
            joined = encoding.cell_bits * (encoding.slices - 1)
            bits = max(self.pair.adc.bits + joined + (self.pes_per_tile - 1).bit_length(), self.output_bits)
        return -(-self.pes_per_tile * max(1, self.pair.array.columns // encoding.slices) * bits // 8)

    @property
    def pe_buffer_bytes(self) -> int:
        """Capacity of the input buffer of one PE, bytes."""
        return self.pe_buffer.capacity_bytes or VECTORS_HELD * self.input_vector_bytes

    @property
    def tile_buffer_bytes(self) -> int:
        """Capacity of the output buffer of one tile, bytes."""
        return self.tile_buffer.capacity_bytes or VECTORS_HELD * self.output_vector_bytes

    def buffer_refusal(self, inputs: int = VECTORS_HELD, outputs: int = VECTORS_HELD) -> str | None:
        """Return why the buffers cannot hold a number of vectors.

        Args:
            inputs: Vectors that the input buffer of a PE must hold.
            outputs: Vectors that the output buffer of a tile must hold.

        Returns:
            The buffer, what it needs and why; None if both suffice.
        """
        array, encoding = self.pair.array, self.pair.encoding
        inputs_text = f"input vectors of {array.rows} rows x {encoding.activation_bits} bits"
        outputs_text = f"output vectors of {self.pes_per_tile} PEs x {array.columns} columns"
        for name, has_bytes, vectors, vector_bytes, what in (
            ("pe_buffer", self.pe_buffer_bytes, inputs, self.input_vector_bytes, inputs_text),
            ("tile_buffer", self.tile_buffer_bytes, outputs, self.output_vector_bytes, outputs_text),
        ):
            if has_bytes < vectors * vector_bytes:
                return (
                    f"{name} holds {has_bytes} bytes, but it must hold {vectors} {what}: {vectors * vector_bytes} "
                    f"bytes; give {name}.capacity_bytes of at least {vectors * vector_bytes}"
                )
        return None

    @model_validator(mode="after")
    def _buffers_hold_two_vectors(self) -> Self:
        if refusal := self.buffer_refusal():
            raise ValueError(f"{refusal}, or null for just that")
        return self


class MeshConfig(Section):
    """The network between the tiles of a bank: a two-dimensional mesh, a ring or an H-tree."""

    rows: int = Field(ge=1, le=256, description="rows of tiles in a bank")
    columns: int = Field(ge=1, le=256, description="columns of tiles in a bank")
    clock_hz: Clock = Field(description="clock of the adders that merge partial sums: one cycle per hop")
    placement: PlacementOrder = Field(description="order in which consecutive tiles are assigned to layers")
    last_output: Literal["port", "stays"] = Field(
        description="destination of the output of the last matrix of a placement group. port: the port of the mesh to "
        "the global buffer, in the middle of the first column; stays: no transfer (as the last layer in MNSIM)"
    )
    routes: Literal["chain", "trace"] = Field(
        description="path of vectors. trace: from the port of the mesh to the tiles of a matrix, and from there to the "
        "port, or to the tiles of the matrix that alone reads the output; chain: from matrix to matrix in the order of "
        "the placement group, as in MNSIM, and none to the first matrix"
    )
    link_bandwidth_bps: Positive = Field(le=1e18, description="bandwidth of one link between neighbouring tiles")
    topology: TopologyName = Field(
        description="mesh: X-Y routing, along the row first; ring: bidirectional, through all tiles row by row and "
        "back to the first; htree: one router per four tiles, one per four such routers, and so on; others by plugin "
        "(docs/extending.md)"
    )
    multicast: bool = Field(
        description="true: send the whole output once over each link of the multicast tree to all tiles of the next "
        "matrix; false: send each tile only the values that its rows need"
    )
    packet_bits: int | None = Field(
        ge=1,
        le=1 << 40,
        description="longest packet; a longer message is split into packets. null: one packet per message",
    )
    switching: Literal["store_and_forward", "cut_through"] = Field(
        description="store_and_forward: a router forwards a packet when all of it has arrived; cut_through: when its "
        "first flit_bits have arrived"
    )
    flit_bits: int = Field(ge=1, le=1 << 30, description="cut_through: bits of one flit")
    router_latency_s: NonNegative = Field(
        le=1e-3, description="latency of a router per hop, in addition to the time on the link"
    )
    links: Literal["shared", "unlimited"] = Field(
        description="contended schedule: shared: a link transfers one packet at a time; unlimited: messages do not "
        "share links"
    )
    input_buffer_packets: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended schedule: packets that fit into each input buffer of a router; null: unlimited",
    )
    arbitration: Literal["round_robin", "age"] = Field(
        description="contended schedule: which packet is next on a link. round_robin: the inputs of the router take "
        "turns; age: the oldest packet"
    )
    local_bandwidth_bps: Positive | None = Field(
        le=1e18,
        description="contended schedule: bandwidth of the port between a tile and its router, in each direction; "
        "null: unlimited",
    )
    hop_energy_j_per_bit: Energy = Field(description="link and router, per hop")
    router_area_m2: Area = Field(description="area of the routers per tile")
    wire_node_nm: Node | None = Field(
        description="technology node of hop_energy_j_per_bit; null: it has none, and machine.technology_nm is refused"
    )
    router_node_nm: Node | None = Field(
        description="technology node of router_area_m2; null: it has none, and machine.technology_nm is refused"
    )

    @model_validator(mode="after")
    def _outputs_leave_by_the_port(self) -> Self:
        if self.routes == "trace" and self.last_output == "stays":
            raise ValueError("last_output=stays needs routes=chain: with routes=trace every output has a destination")
        return self

    @model_validator(mode="after")
    def _room_for_a_bubble(self) -> Self:
        if self.topology == "ring" and self.input_buffer_packets == 1:
            raise ValueError(
                "topology=ring needs input_buffer_packets of at least 2: a packet enters only if one buffer stays free"
            )
        return self
