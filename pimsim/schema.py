"""The config tree: one frozen model per part of the chip, with bounds and a description per key.

Keys carry SI units in their names; a value may be written with a unit string, which `pimsim.config` has turned into
an SI number before it gets here. There are no defaults in this file: they stand, each with its source, in
``configs/defaults.yaml``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crossbar.params import CrossbarParams

SCHEMA_VERSION = 1
MAX_CONTEXT_LENGTH = 1 << 20

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Clock = Annotated[float, Field(ge=1e3, le=1e12, allow_inf_nan=False)]
"""Hertz. The bounds keep a period between 1 ps, the simulator's unit of time, and 1 ms."""
Dimension = Annotated[int, Field(ge=1, le=1 << 14)]
Energy = Annotated[float, Field(ge=0, le=1e-3, allow_inf_nan=False)]
Power = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]
Area = Annotated[float, Field(ge=0, le=1.0, allow_inf_nan=False)]

Dataflow = Literal["os", "ws", "is"]
PlacementOrder = Literal["rows", "snake", "shells", "diagonals"]
PROJECTION_ROLES = ("q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down")


class Section(BaseModel):
    """Base of every section: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WorkloadConfig(Section):
    """What is computed: a model in a phase, or a trace file in its place."""

    model: str | None = Field(
        max_length=200, description="a model's name or alias, kjv-bitnet, or the path of a Hugging Face config.json"
    )
    trace: str | None = Field(max_length=4096, description="a trace file in place of model, phase and context_length")
    phase: Literal["decode", "prefill", "generate"] = Field(
        description="decode: one token at context_length; prefill: the prompt_length tokens of a prompt at once; "
        "generate: a prefill, then new_tokens decode steps with a growing KV cache"
    )
    context_length: int = Field(
        ge=1, le=MAX_CONTEXT_LENGTH, description="decode: KV-cache entries that the token attends to, its own included"
    )
    prompt_length: int = Field(ge=1, le=MAX_CONTEXT_LENGTH, description="prefill and generate: tokens of the prompt")
    new_tokens: int = Field(ge=1, le=MAX_CONTEXT_LENGTH, description="generate: tokens after the prompt")
    samples: int | None = Field(
        ge=2,
        le=MAX_CONTEXT_LENGTH,
        description="generate: decode steps to simulate, the others interpolated; null: all",
    )
    batch: int = Field(ge=1, le=1 << 16, description="sequences at once, all of the same length")
    embedding: bool = Field(description="include the look-up of the token's embedding")
    lm_head: bool = Field(description="include the final norm and the projection to the vocabulary (W8A8)")
    d_ff: int | None = Field(ge=1, le=1 << 20, description="another FFN width than the model's own")
    gated: bool | None = Field(description="another FFN form than the model's own: gated (three matrices) or plain")

    @model_validator(mode="after")
    def _one_source(self) -> WorkloadConfig:
        if self.model is None and self.trace is None:
            raise ValueError("either model or trace must be given")
        if self.phase == "generate" and self.prompt_length + self.new_tokens > MAX_CONTEXT_LENGTH:
            raise ValueError(f"prompt_length + new_tokens must be at most {MAX_CONTEXT_LENGTH}")
        return self


class MappingConfig(Section):
    """Which part of the chip computes what, and where weights lie."""

    projections: Literal["crossbar", "systolic"] = Field(description="where 1-bit projections are computed")
    provisioning: Literal["whole_model", "per_layer", "swap"] = Field(
        description="whole_model: every layer has its tiles in the machine's banks, and too few are an error; "
        "swap: the layers that do not fit take turns in what is left of the last chip, programmed before each use; "
        "per_layer: each placement group has a mesh of its own, as PIM-LLM counts"
    )
    placement_groups: Annotated[
        tuple[Annotated[tuple[str, ...], Field(min_length=1, strict=False)], ...], Field(min_length=1, strict=False)
    ] = Field(
        description="projections placed one after another on one mesh; each hands its output to the next of its group"
    )
    attention_slices: int = Field(
        ge=1,
        le=1 << 16,
        description="groups of heads that overlap under the dataflow schedule, at most one per KV head",
    )
    vector_chunks: int = Field(
        ge=1,
        le=1 << 16,
        description="chunks of a batch of vectors that follow one another through a matrix's tiles and "
        "mesh under the dataflow schedule, at most",
    )
    stream_buffers: int = Field(
        ge=1,
        le=1 << 16,
        description="streamed operands (K or V of a slice, a matrix) in the global buffer per systolic array",
    )
    microbatches: int = Field(
        ge=1,
        le=1 << 12,
        description="parts of a batch that pass through the layers side by side, each layer's tiles serving one after "
        "another (pipelining over banks); batch must be a multiple",
    )
    input_buffer_vectors: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended: chunks of input vectors that the PE buffers of a matrix hold at a time, the one in use "
        "included; null: unlimited",
    )
    output_buffer_vectors: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended: chunks of output vectors that the tile buffers of a matrix hold at a time, until the "
        "mesh has taken them; null: unlimited",
    )
    kv_write_entries: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended: appends to the KV cache that a write buffer before the memory holds, so that attention "
        "need not wait for the memory; null: none, writes go straight to memory",
    )
    weight_storage_bits: int = Field(
        ge=1, le=16, description="bits per projection weight in off-chip memory, as the systolic array streams them"
    )

    @model_validator(mode="after")
    def _swapped_layers_serve_one_batch(self) -> MappingConfig:
        if self.microbatches > 1 and self.provisioning == "swap":
            raise ValueError("microbatches above 1 need layers that stay where they are: provisioning must not be swap")
        return self

    @model_validator(mode="after")
    def _groups_partition_the_roles(self) -> MappingConfig:
        roles = [role for group in self.placement_groups for role in group]
        unknown = sorted(set(roles) - set(PROJECTION_ROLES))
        if unknown:
            raise ValueError(
                f"placement_groups: unknown projection {unknown[0]!r}; known: {', '.join(PROJECTION_ROLES)}"
            )
        if sorted(roles) != sorted(PROJECTION_ROLES):
            raise ValueError(f"placement_groups must name each of {', '.join(PROJECTION_ROLES)} exactly once")
        return self


class SystolicConfig(Section):
    """A systolic array of rows x columns 8-bit MACs."""

    count: int = Field(ge=1, le=1024, description="arrays of this kind; heads share them under the dataflow schedule")
    rows: Dimension = Field(description="multiply-accumulate units per column")
    columns: Dimension = Field(description="multiply-accumulate units per row")
    dataflow: Dataflow = Field(description="which operand stays in the array: os outputs, ws weights, is inputs")
    clock_hz: Clock = Field(description="one multiply-accumulate per unit and cycle")
    mac_energy_j: Energy = Field(description="per multiply-accumulate that is part of a matmul")
    cycle_energy_j: Energy = Field(
        description="per cycle of the whole array, busy or filling (clock, registers, control)"
    )
    leakage_w: Power = Field(description="whole array")
    pe_area_m2: Area = Field(description="one MAC with its registers")


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


class ControllerConfig(Section):
    """Issues one command per matmul, vector pass or transfer."""

    clock_hz: Clock = Field(description="of the command queue")
    issue_cycles: int = Field(ge=0, le=1 << 20, description="cycles from one command to the next")
    command_energy_j: Energy = Field(description="per command")
    leakage_w: Power = Field(description="whole controller")
    area_m2: Area = Field(description="whole controller")


class HostConfig(Section):
    """The processor that tells the chip what to do: one request per op, handed to the controller's queue."""

    request_interval_s: NonNegative = Field(le=1e-3, description="from one request to the next")
    queue_depth: int = Field(ge=1, le=1 << 20, description="requests that the controller's queue holds")
    request_energy_j: Energy = Field(description="per request, link to the chip included")


class VectorConfig(Section):
    """The nonlinear functional unit: softmax, norms, activations, residuals on `lanes` elements at a time."""

    count: int = Field(ge=1, le=1024, description="units of this kind; slices share them under the dataflow schedule")
    lanes: Dimension = Field(description="elements at a time")
    clock_hz: Clock = Field(description="one element per lane and cycle")
    softmax: Literal["consmax", "exact"] = Field(
        description="consmax: one pass, learned constants (arXiv:2402.10930); exact: three, for maximum, sum, division"
    )
    pipeline_cycles: int = Field(ge=0, le=1 << 16, description="latency of a pass beyond its elements")
    operation_energy_j: Energy = Field(description="per element and pass")
    leakage_w: Power = Field(description="whole unit")
    lane_area_m2: Area = Field(description="per lane")


class SramConfig(Section):
    """The global on-chip buffer between memory, digital units and crossbar banks."""

    capacity_bytes: int = Field(
        ge=1,
        le=1 << 40,
        description="contended: streamed operands that are longer than their part of it (mapping.stream_buffers per "
        "systolic array) are cut between folds; else they are taken to be cut so that they fit",
    )
    width_bits: int = Field(ge=8, le=1 << 20, description="bits per access")
    clock_hz: Clock = Field(description="one access per cycle")
    read_energy_j: Energy = Field(description="per access")
    write_energy_j: Energy = Field(description="per access")
    leakage_w: Power = Field(description="whole buffer")
    area_m2: Area = Field(description="whole buffer")


Delay = Annotated[float, Field(gt=0, le=1e-3, allow_inf_nan=False)]
"""Seconds between two commands, or from a command to its data."""


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


class ChipLinkConfig(Section):
    """The link from one chip to the next, one way."""

    bandwidth_bps: Positive = Field(le=1e18, description="bits of payload that leave a chip per second")
    latency_s: NonNegative = Field(le=1e-3, description="from the first bit sent to the first bit there")
    packet_bytes: int = Field(ge=1, le=1 << 30, description="payload that one step of the simulation transfers")
    energy_j_per_bit: Energy = Field(description="both ends of the link")
    leakage_w: Power = Field(description="a chip's ends of its links")
    area_m2: Area = Field(description="a chip's ends of its links")


class ChipsConfig(Section):
    """Chips in a row that share out the layers of a model. Each has all parts of the machine to itself, memory too."""

    count: int = Field(ge=1, le=1 << 16, description="chips; more than one under whole_model and swap provisioning")
    reticle_area_m2: Positive = Field(le=1.0, description="largest chip that one exposure prints")
    link: ChipLinkConfig


Slot = Literal["systolic", "controller", "vector", "sram", "memory"]
"""The parts of the chip that a component from outside the package can stand in for."""


class OutsideComponent(Section):
    """A component that is registered from outside the package (docs/extending.md), and its parameters."""

    kind: str = Field(min_length=1, max_length=100, description="the name that it is registered under")
    parameters: dict[str, bool | int | float | str] = Field(description="checked by the component's own model")


class MachineConfig(Section):
    """The parts of the chip. A part that a machine does not have is null."""

    outside: dict[Slot, OutsideComponent] = Field(
        description="registered components that stand in for parts of the chip, whose own sections are then not used"
    )

    chips: ChipsConfig
    systolic: SystolicConfig
    crossbar: CrossbarConfig | None
    mesh: MeshConfig | None
    host: HostConfig | None
    controller: ControllerConfig
    vector: VectorConfig
    sram: SramConfig
    memory: MemoryConfig

    def __hash__(self) -> int:
        """Of its text: `outside` is a mapping, which has no hash of its own."""
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def _tiles_need_a_mesh(self) -> MachineConfig:
        if (self.crossbar is None) != (self.mesh is None):
            raise ValueError("crossbar and mesh belong together: give both, or set both to null")
        return self


class AccuracyConfig(Section):
    """What `pimsim accuracy` and the metrics of that kind compute on the chip's arrays: a trained network, a text."""

    model: str | None = Field(
        min_length=1,
        max_length=4096,
        description="a folder with config.json, safetensors and tokenizer.json, or a shipped network by name; null: "
        "kjv-bitnet",
    )
    text: str | None = Field(
        min_length=1, max_length=4096, description="a UTF-8 file to be predicted; null: what kjv-bitnet never saw"
    )
    calibration: str | None = Field(
        min_length=1,
        max_length=4096,
        description="a UTF-8 file whose activations set calibrated ADC ranges; null: the one beside kjv-bitnet",
    )
    tokens: int = Field(
        ge=2, le=1 << 24, description="tokens of the text that are predicted, in windows spread evenly over it"
    )
    chips: int = Field(ge=1, le=10_000, description="chips that are made, each with a seed of its own")


class ServingConfig(Section):
    """How requests share the machine: what `pimsim serve` puts into each iteration (docs/serving.md)."""

    max_batch: int = Field(ge=1, le=4096, description="sequences in the machine at once, at most")
    policy: Literal["prefill_first", "decode_first", "mixed"] = Field(
        description="prefill_first: new prompts have iterations of their own, before the next decode step; "
        "decode_first: new requests wait until the batch is empty; mixed: prompts share iterations with decode steps"
    )
    prefill_tokens: int | None = Field(
        ge=1,
        le=MAX_CONTEXT_LENGTH,
        description="prompt tokens of one iteration, at most; mixed cuts longer prompts into chunks, under the other "
        "policies one goes alone; null: as many as there are",
    )
    kv_capacity_bytes: int | None = Field(
        ge=1,
        le=1 << 50,
        description="memory for KV caches; a request waits until all that its own will need is free; null: no limit",
    )
    max_simulated_steps: int = Field(
        ge=1,
        le=1_000_000,
        description="dataflow schedule: distinct iterations that are simulated as they are, before others are "
        "interpolated; the serial schedule needs no limit",
    )


class Config(Section):
    """A run: what is computed, on which machine, under which rules of the schedule and of the energy."""

    schema_version: Literal[1]
    name: str = Field(min_length=1, max_length=100)
    description: str = Field(max_length=2000)
    workload: WorkloadConfig
    mapping: MappingConfig
    serving: ServingConfig
    machine: MachineConfig
    schedule: Literal["serial", "dataflow", "contended"] = Field(
        description="serial: one op after another; dataflow: an op starts when its inputs and its resources are ready; "
        "contended: dataflow with finite links, buffers and memory banks, for which ops wait"
    )
    leakage_gating: Literal["off", "idle", "always"] = Field(
        description="off: no gating, every part leaks for the whole run; idle: a part is gated while it idles, so it "
        "leaks only while busy; always: leakage is not charged"
    )
    operations_per_mac: Literal[1, 2] = Field(description="the convention behind GOPS: a MAC as one operation or two")
    accuracy: AccuracyConfig

    @model_validator(mode="after")
    def _projections_have_a_home(self) -> Config:
        if self.mapping.projections == "crossbar" and self.machine.crossbar is None:
            raise ValueError("mapping.projections is 'crossbar', but machine.crossbar is null")
        return self

    @model_validator(mode="after")
    def _chips_share_out_layers(self) -> Config:
        if self.machine.chips.count > 1:
            if self.mapping.projections != "crossbar":
                raise ValueError("machine.chips.count is above 1, but only layers on crossbars are spread over chips")
            if self.mapping.provisioning == "per_layer":
                raise ValueError(
                    "machine.chips.count is above 1, but mapping.provisioning=per_layer has all layers on one chip; "
                    "whole_model and swap spread them"
                )
        return self
