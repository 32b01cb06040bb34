"""Root of the config tree."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from crossbar.adc_series import AdcScaling
from crossbar.params import CrossbarParams
from pimsim.base.errors import did_you_mean, printable
from pimsim.base.summaries import MAX_REPR_CHARS
from pimsim.config.schema.attention_section import NearMemoryConfig, SramCimConfig
from pimsim.config.schema.crossbar_section import CrossbarConfig, MeshConfig
from pimsim.config.schema.digital_section import (
    ChipsConfig,
    ControllerConfig,
    HostConfig,
    SramConfig,
    SystolicConfig,
    VectorConfig,
)
from pimsim.config.schema.dram_pim_section import DramPimConfig
from pimsim.config.schema.kv_tier_section import KvTierConfig
from pimsim.config.schema.memory_section import MemoryConfig
from pimsim.config.schema.prediction_section import PredictionConfig
from pimsim.config.schema.processor_section import PROCESSORS, config_problems, machine_problems
from pimsim.config.schema.quantities import ONLY_INTEGERS, Node, Section
from pimsim.config.schema.rom_section import RomConfig
from pimsim.config.schema.roofline_section import RooflineConfig
from pimsim.config.schema.serving_section import ServingConfig
from pimsim.config.schema.transpim_section import TransPimConfig
from pimsim.config.schema.workload_section import AccuracyConfig, MappingConfig, WorkloadConfig

SCHEMA_VERSION = 2

Gating = Literal["ungated", "idle_gated", "not_charged"]
"""What leakage a run charges: of the whole run, of busy time, or none."""

Slot = Literal["systolic", "controller", "vector", "sram", "memory", "tile"]
"""Components of the chip that a component from outside the package can replace."""


class OutsideComponent(Section):
    """A component that is registered from outside the package (docs/extending.md), with its parameters."""

    kind: str = Field(min_length=1, max_length=100, description="name under which the component is registered")
    parameters: dict[str, bool | int | float | str] = Field(description="checked by the component's own model")


class MachineConfig(Section):
    """The components of the chip. A component that a machine does not have is null."""

    outside: dict[Slot, OutsideComponent] = Field(
        description="registered components that replace components of the chip; the sections of those are then not "
        "used. A registered tile takes the place of the crossbar tiles; of the section crossbar, banks, pair.encoding "
        "and digital.add_energy_j stay in use, and the kind may use the rest"
    )
    technology_nm: Node | None = Field(
        description="technology node of digital logic, SRAM and wires between tiles, to which their constants are "
        "scaled from their own nodes (docs/technology.md); clocks, cells, ADCs and DACs keep their values. null: all "
        "constants keep their own node"
    )

    temperature_k: float | None = Field(
        ge=300,
        le=400,
        allow_inf_nan=False,
        description="operating temperature of the chips: of arrays without pair.thermal.temperature_k, and of the "
        "leakage of SRAM and digital logic, whose constants hold at 300 K. null: all constants keep their own "
        "temperature",
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
    near_memory: NearMemoryConfig | None = Field(
        description="units at the memory, which compute attention with mapping.attention=near_memory "
        "(docs/near-memory.md)"
    )
    sram_cim: SramCimConfig | None = Field(
        description="compute-in-memory macros that compute attention with mapping.attention=sram_cim"
    )
    prediction: PredictionConfig | None = Field(
        description="unit that predicts which scores matter, so that the macros of sram_cim compute only these "
        "(docs/baselines.md)"
    )
    kv_tiers: Annotated[tuple[KvTierConfig, ...], Field(max_length=8, strict=False)] = Field(
        description="tiers of memory that hold the KV cache, from the nearest to the farthest; mapping.kv_tiers places "
        "it. Without tiers it is in the off-chip memory (docs/kv-tiers.md)"
    )
    roofline: RooflineConfig | None = Field(
        description="GPU or CPU that computes every op, with mapping.projections=processor and "
        "mapping.attention=processor (docs/baselines.md)"
    )
    transpim: TransPimConfig | None = Field(
        description="DRAM whose banks compute every op, as TransPIM, with mapping.projections=processor and "
        "mapping.attention=processor; machine.memory needs a timing table (docs/baselines.md)"
    )
    rom: RomConfig | None = Field(
        description="accelerator with its weights in ROM that computes every op, as roofline (docs/baselines.md)"
    )
    dram_pim: DramPimConfig | None = Field(
        description="units at all banks of the memory, which compute every op, as roofline (docs/baselines.md)"
    )

    def __hash__(self) -> int:
        """Return the hash of the JSON text, because the mapping `outside` cannot be hashed."""
        return hash(self.model_dump_json())

    @property
    def crossbar_tile(self) -> CrossbarConfig | None:
        """Section `crossbar` if its tiles compute; None without crossbars, or if a registered kind replaces them."""
        return None if "tile" in self.outside else self.crossbar

    @property
    def operating_pair(self) -> CrossbarParams | None:
        """Parameters of the arrays of `crossbar` at their temperature and age when they are read; None without."""
        return None if self.crossbar is None else self.crossbar.operating_pair(self.temperature_k)

    @property
    def adc_scaling(self) -> AdcScaling | None:
        """How the figures of the ADCs follow from a design of other bits; None if they do not, or without crossbars."""
        return None if self.crossbar_tile is None else self.crossbar_tile.pair.adc.scaling

    @property
    def adc_series(self) -> dict[str, Any] | None:
        """The same as plain values for JSON."""
        return None if self.adc_scaling is None else self.adc_scaling.to_dict()

    @property
    def processor(self) -> str | None:
        """Name of the section of the processor that computes every op; None if the machine has components instead."""
        return next((name for name in PROCESSORS if getattr(self, name) is not None), None)

    @model_validator(mode="after")
    def _processor_is_alone(self) -> Self:
        if problems := list(machine_problems(self)):
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _constants_have_a_node(self) -> Self:
        """Refuse a technology for constants that cannot be scaled, because nobody knows their node.

        Returns:
            The section unchanged.

        Raises:
            ValueError: If `technology_nm` is given and a section in use has no node.
        """
        nodes: dict[str, float | None] = {}
        if "systolic" not in self.outside:
            nodes["systolic.node_nm"] = self.systolic.node_nm
        if "vector" not in self.outside:
            nodes["vector.node_nm"] = self.vector.node_nm
        if self.crossbar is not None:
            nodes["crossbar.digital.node_nm"] = self.crossbar.digital.node_nm
        if self.mesh is not None:
            nodes["mesh.wire_node_nm"] = self.mesh.wire_node_nm
            nodes["mesh.router_node_nm"] = self.mesh.router_node_nm
        unknown = [f"machine.{key}" for key, node_nm in nodes.items() if node_nm is None]
        if self.technology_nm is not None and unknown:
            raise ValueError(
                f"technology_nm={self.technology_nm:g} cannot scale constants without a node: {', '.join(unknown)} "
                f"{'is' if len(unknown) == 1 else 'are'} null, as for fitted energies; state the nodes, or leave "
                "technology_nm null"
            )
        return self

    @model_validator(mode="after")
    def _states_keep_their_order(self) -> Self:
        """Refuse temperatures at which a cell in LRS does not conduct more than one in HRS.

        Returns:
            The section unchanged.

        Raises:
            ValueError: If both states are the same, or exchange their places.
        """
        try:
            _ = self.operating_pair
        except ValueError as error:
            raise ValueError(f"crossbar.pair: {error}") from error
        return self

    @model_validator(mode="after")
    def _near_memory_is_in_dram(self) -> Self:
        if self.near_memory is not None and (self.memory.dram is None or "memory" in self.outside):
            raise ValueError(
                "near_memory needs a memory whose banks are known: set memory.dram, for example with the preset "
                "memory-hbm3-timing"
            )
        return self

    @model_validator(mode="after")
    def _kv_tiers_have_names(self) -> Self:
        names = [tier.name for tier in self.kv_tiers]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"kv_tiers: two tiers have the name {twice[0]!r}; state another name for one of them")
        return self

    @model_validator(mode="after")
    def _tiles_need_a_mesh(self) -> Self:
        if (self.crossbar is None) != (self.mesh is None):
            raise ValueError("crossbar and mesh belong together: give both, or set both to null")
        return self


class Config(Section):
    """A run: the workload, the machine, the schedule, and how energy and operations are counted."""

    schema_version: Annotated[Literal[2], ONLY_INTEGERS]
    name: str = Field(min_length=1, max_length=100)
    description: str = Field(max_length=2000)
    workload: WorkloadConfig
    mapping: MappingConfig
    serving: ServingConfig
    machine: MachineConfig
    schedule: Literal["serial", "dataflow", "contended"] = Field(
        description="serial: one op after another; dataflow: an op starts when its inputs and its resources are ready; "
        "contended: dataflow with finite links, buffers and memory banks, for which ops must wait"
    )
    leakage_gating: Gating = Field(
        description="the leakage energy that is charged. ungated: of every component, for the whole run; idle_gated: "
        "of every component while it is busy, because it is gated while it is idle; not_charged: none"
    )
    operations_per_mac: Annotated[Literal[1, 2], ONLY_INTEGERS] = Field(
        description="convention for GOPS: a MAC counts as one or two operations"
    )
    accuracy: AccuracyConfig

    def __repr__(self) -> str:
        workload = self.workload
        network = f"trace={workload.trace!r}" if workload.trace is not None else f"model={workload.model!r}"
        shown = f"name={self.name!r}, schedule={self.schedule!r}, {network}, phase={workload.phase!r}"
        return printable(f"<Config {shown}, context_length={workload.context_length}>", MAX_REPR_CHARS)

    @model_validator(mode="after")
    def _processor_computes_all(self) -> Self:
        if problems := list(config_problems(self)):
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _projections_have_a_home(self) -> Self:
        if self.mapping.projections == "crossbar" and self.machine.crossbar is None:
            raise ValueError("mapping.projections is 'crossbar', but machine.crossbar is null")
        return self

    @model_validator(mode="after")
    def _attention_has_a_unit(self) -> Self:
        unit = self.mapping.attention
        if unit not in ("systolic", "processor") and getattr(self.machine, unit) is None:
            preset = "near-memory-hbm3" if unit == "near_memory" else "sram-cim-22nm"
            raise ValueError(
                f"mapping.attention is {unit!r}, but machine.{unit} is null; the preset {preset} has such a unit"
            )
        if unit == "near_memory" and self.schedule == "contended":
            raise ValueError(
                "mapping.attention is 'near_memory' with schedule=contended, but the commands of the units are not "
                "arbitrated with other requests of the same banks; set schedule to serial or dataflow"
            )
        if unit != "systolic" and self.machine.kv_tiers:
            raise ValueError(
                f"mapping.attention is {unit!r}, whose units read the KV cache where it lies, but machine.kv_tiers "
                "divides it over tiers; set kv_tiers to [], or attention to systolic"
            )
        return self

    @model_validator(mode="after")
    def _prediction_sees_all_attention(self) -> Self:
        if (
            self.machine.prediction
            and self.mapping.attention == "sram_cim"
            and self.workload.kv.keep == "heavy_hitters"
        ):
            raise ValueError(
                "workload.kv.keep=heavy_hitters adds up the attention that every entry gets, but "
                "machine.prediction leaves out entries; set keep to another policy, or prediction to null"
            )
        return self

    @model_validator(mode="after")
    def _stored_tokens_have_a_tier(self) -> Self:
        names = [tier.name for tier in self.machine.kv_tiers]
        stored_in = self.mapping.kv_tiers.stored_in
        has_prompt = self.workload.trace is None and self.workload.phase in ("prefill", "generate")
        if self.workload.stored_tokens and has_prompt and not names:
            raise ValueError(
                "workload.stored_tokens needs a tier that has the stored keys and values: machine.kv_tiers is empty"
            )
        if names and stored_in is not None and stored_in not in names:
            raise ValueError(
                f"mapping.kv_tiers.stored_in={stored_in!r} is not the name of a tier: {', '.join(names)}. "
                f"{did_you_mean(stored_in, names)}".rstrip()
            )
        return self

    @model_validator(mode="after")
    def _kv_tiers_go_together(self) -> Self:
        if self.machine.kv_tiers and self.mapping.kv_tiers.prefetch_buffers and self.schedule == "serial":
            raise ValueError(
                "mapping.kv_tiers.prefetch_buffers loads the cache of a layer while another one is computed, but "
                "schedule=serial overlaps nothing; set schedule to dataflow or contended, or prefetch_buffers to null"
            )
        if self.machine.kv_tiers and (problem := self.mapping.kv_tiers.recompute_problem()):
            raise ValueError(f"mapping.kv_tiers: {problem}")
        return self

    @model_validator(mode="after")
    def _buffers_hold_their_vectors(self) -> Self:
        """Refuse more vectors than the buffers of the tiles hold.

        A buffer of no stated capacity whose figures are all stated is as large as the mapping needs.

        Returns:
            The config unchanged.

        Raises:
            ValueError: If `mapping.input_buffer_vectors` or `output_buffer_vectors` exceeds a buffer.
        """
        crossbar, mapping = self.machine.crossbar, self.mapping
        if crossbar is not None and "tile" not in self.machine.outside:
            inputs, outputs = (
                1 if vectors is None or (buffer.capacity_bytes is None and not buffer.is_fitted) else vectors
                for vectors, buffer in (
                    (mapping.input_buffer_vectors, crossbar.pe_buffer),
                    (mapping.output_buffer_vectors, crossbar.tile_buffer),
                )
            )
            if refusal := crossbar.buffer_refusal(inputs, outputs):
                raise ValueError(
                    f"machine.crossbar.{refusal}, or lower mapping.input_buffer_vectors and output_buffer_vectors"
                )
        return self

    @model_validator(mode="after")
    def _chips_share_out_layers(self) -> Self:
        if self.machine.chips.count > 1:
            if self.mapping.projections != "crossbar":
                raise ValueError("machine.chips.count is above 1, but only layers on crossbars are spread over chips")
            if self.mapping.provisioning == "per_layer":
                raise ValueError(
                    "machine.chips.count is above 1, but mapping.provisioning=per_layer has all layers on one chip; "
                    "whole_model and swap spread them"
                )
        return self
