"""Schema of configs: one frozen model per component of the chip, with bounds and a description for each key.

The name of a key contains its SI unit. A value may be written as a unit string, which `pimsim.config.loading` converts
to an SI number before validation. The defaults and their sources are in ``configs/defaults.yaml``, not here.

Modules of models, here and in crossbar, do not use `from __future__ import annotations`: pydantic would compile and
evaluate the text of each annotation again, a fifteenth of the time that importing the schema takes.
"""

from pimsim.config.schema.attention_section import NearMemoryConfig, SramCimConfig
from pimsim.config.schema.buffer_section import BufferConfig
from pimsim.config.schema.config_tree import SCHEMA_VERSION, Config, Gating, MachineConfig, OutsideComponent, Slot
from pimsim.config.schema.crossbar_section import (
    CrossbarConfig,
    MeshConfig,
    PlacementOrder,
    TileBufferConfig,
    TileDigitalConfig,
)
from pimsim.config.schema.digital_section import (
    ChipLinkConfig,
    ChipsConfig,
    ControllerConfig,
    Dataflow,
    HostConfig,
    OperandBuffersConfig,
    SramConfig,
    SystolicConfig,
    VectorConfig,
)
from pimsim.config.schema.dram_pim_section import DramPimConfig
from pimsim.config.schema.kv_tier_section import KvPlacementConfig, KvTierConfig
from pimsim.config.schema.memory_section import DramConfig, InterfacesConfig, MemoryConfig
from pimsim.config.schema.prediction_section import PredictionConfig
from pimsim.config.schema.processor_section import PROCESSOR, PROCESSORS
from pimsim.config.schema.quantities import (
    Area,
    CellClass,
    Clock,
    Delay,
    Dimension,
    Energy,
    Node,
    NonNegative,
    Positive,
    Power,
    Section,
)
from pimsim.config.schema.rom_section import RomConfig
from pimsim.config.schema.roofline_section import RooflineConfig
from pimsim.config.schema.serving_section import ServingConfig, SpeculationConfig
from pimsim.config.schema.staging_section import BusConfig, StagingBufferConfig, StagingConfig
from pimsim.config.schema.transpim_section import TransPimConfig
from pimsim.config.schema.workload_section import (
    MATRIX_ROLES,
    MAX_CONTEXT_LENGTH,
    PROJECTION_ROLES,
    AccuracyConfig,
    KvConfig,
    MappingConfig,
    MatrixPrecisionConfig,
    ReplicasConfig,
    WorkloadConfig,
)

__all__ = [
    "MATRIX_ROLES",
    "MAX_CONTEXT_LENGTH",
    "PROCESSOR",
    "PROCESSORS",
    "PROJECTION_ROLES",
    "SCHEMA_VERSION",
    "AccuracyConfig",
    "Area",
    "BufferConfig",
    "BusConfig",
    "CellClass",
    "ChipLinkConfig",
    "ChipsConfig",
    "Clock",
    "Config",
    "ControllerConfig",
    "CrossbarConfig",
    "Dataflow",
    "Delay",
    "Dimension",
    "DramConfig",
    "DramPimConfig",
    "Energy",
    "Gating",
    "HostConfig",
    "InterfacesConfig",
    "KvConfig",
    "KvPlacementConfig",
    "KvTierConfig",
    "MachineConfig",
    "MappingConfig",
    "MatrixPrecisionConfig",
    "MemoryConfig",
    "MeshConfig",
    "NearMemoryConfig",
    "Node",
    "NonNegative",
    "OperandBuffersConfig",
    "OutsideComponent",
    "PlacementOrder",
    "Positive",
    "Power",
    "PredictionConfig",
    "ReplicasConfig",
    "RomConfig",
    "RooflineConfig",
    "Section",
    "ServingConfig",
    "Slot",
    "SpeculationConfig",
    "SramCimConfig",
    "SramConfig",
    "StagingBufferConfig",
    "StagingConfig",
    "SystolicConfig",
    "TileBufferConfig",
    "TileDigitalConfig",
    "TransPimConfig",
    "VectorConfig",
    "WorkloadConfig",
]
