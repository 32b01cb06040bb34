"""Tiles of crossbar pairs, and the mesh between them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from crossbar.params import CrossbarParams
from pimsim.config.schema.quantities import Area, Clock, Energy, NonNegative, Positive, Power, Section

PlacementOrder = Literal["rows", "snake", "shells", "diagonals"]


class TileBufferConfig(Section):
    """One SRAM buffer inside the crossbar part: a PE's input buffer, or a tile's output buffer."""

    width_bits: int = Field(ge=1, le=1 << 16, description="bits per access")
    cycle_s: Positive = Field(le=1e-3, description="time of one access")
    read_energy_j: Energy = Field(description="per access")
    write_energy_j: Energy = Field(description="per access")
    leakage_w: Power = Field(description="of one buffer")
    area_m2: Area = Field(description="of one buffer")


class TileDigitalConfig(Section):
    """Registers, decoders, multiplexers, shift-add and merge tree of PEs and tiles."""

    clock_hz: Clock = Field(description="of registers, shift-add and merge tree")
    row_decoder_s: NonNegative = Field(le=1e-3, description="per row group that the decoder distinguishes")
    column_mux_s: NonNegative = Field(le=1e-3, description="per column that shares an ADC")
    add_energy_j: Energy = Field(description="per addition of one column's value (shift-add or merge)")
    register_energy_j: Energy = Field(description="per value latched in an input or output register")
    pe_area_m2: Area = Field(description="digital part of one PE")


class CrossbarConfig(Section):
    """Tiles of PEs, each a pair of ReRAM arrays (or, for single cells, one array) with its converters."""

    pair: CrossbarParams
    calibration_vectors: int = Field(
        ge=0,
        le=1 << 20,
        description="sample vectors per matrix that calibrated ranges of ADCs are set by, multiplied once after the "
        "weights are loaded; 0: not charged",
    )
    pes_per_tile: int = Field(ge=1, le=64, description="pairs that share a merge tree and an output buffer")
    banks: int = Field(ge=1, le=1 << 16, description="meshes of tiles that a chip has (whole_model and swap)")
    output_bits: int = Field(ge=1, le=64, description="bits of a partial sum when it leaves its tile")
    intra_tile_bandwidth_bps: Positive = Field(le=1e18, description="from the PEs to the output buffer of their tile")
    digital: TileDigitalConfig
    pe_buffer: TileBufferConfig
    tile_buffer: TileBufferConfig


class MeshConfig(Section):
    """The two-dimensional mesh between the tiles of a bank."""

    rows: int = Field(ge=1, le=256, description="of tiles in a bank")
    columns: int = Field(ge=1, le=256, description="of tiles in a bank")
    clock_hz: Clock = Field(description="of the adders at aggregators: one cycle per hop of merging")
    placement: PlacementOrder = Field(description="the order in which layers take consecutive tiles")
    last_output: Literal["port", "stays"] = Field(
        description="where the last matrix of a placement group sends its output: to the mesh's port to the global "
        "buffer, in the middle of the first column, or nowhere (MNSIM's last layer)"
    )
    link_bandwidth_bps: Positive = Field(le=1e18, description="of one link between neighbouring tiles")
    topology: Literal["mesh", "ring", "htree"] = Field(
        description="mesh: X-Y routing, along the row first; ring: through all tiles, row by row and back, in both "
        "directions; htree: a router above every four tiles, and so on up"
    )
    multicast: bool = Field(
        description="send the whole output once over each link of the tree of paths to all tiles of the next matrix; "
        "else each tile is sent what its rows need"
    )
    packet_bits: int | None = Field(
        ge=1, le=1 << 40, description="longest packet; packets of a message follow each other. null: one per message"
    )
    switching: Literal["store_and_forward", "cut_through"] = Field(
        description="what must have arrived before a packet goes on: all of it, or its first flit_bits"
    )
    flit_bits: int = Field(ge=1, le=1 << 30, description="cut_through: bits that a link takes at a time")
    router_latency_s: NonNegative = Field(le=1e-3, description="of a router, in addition to the link's time per hop")
    links: Literal["shared", "unlimited"] = Field(
        description="contended: shared: one packet at a time; unlimited: each message has links of its own"
    )
    input_buffer_packets: int | None = Field(
        ge=1, le=1 << 20, description="contended: packets at each input of a router; null: unlimited"
    )
    arbitration: Literal["round_robin", "age"] = Field(
        description="contended: the next packet on a link: from its router's inputs in turn, or the oldest one"
    )
    local_bandwidth_bps: Positive | None = Field(
        le=1e18, description="contended: into and out of a tile, in passing; null: unlimited"
    )
    hop_energy_j_per_bit: Energy = Field(description="link and router of one hop")
    router_area_m2: Area = Field(description="per tile")

    @model_validator(mode="after")
    def _room_for_a_bubble(self) -> MeshConfig:
        if self.topology == "ring" and self.input_buffer_packets == 1:
            raise ValueError(
                "topology=ring needs input_buffer_packets of at least 2: a packet enters only if room is left"
            )
        return self
