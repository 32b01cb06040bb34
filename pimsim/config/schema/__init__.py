"""The config tree: one frozen model per part of the chip, with bounds and a description per key.

Keys carry SI units in their names; a value may be written with a unit string, which `pimsim.config.loading` converts to
an SI number first. The defaults are not in this file: each stands with its source in
``configs/defaults.yaml``.
"""

from pimsim.config.schema.config_tree import SCHEMA_VERSION, Config, MachineConfig, OutsideComponent, Slot
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
    SramConfig,
    SystolicConfig,
    VectorConfig,
)
from pimsim.config.schema.memory_section import DramConfig, MemoryConfig
from pimsim.config.schema.quantities import Area, Clock, Delay, Dimension, Energy, NonNegative, Positive, Power, Section
from pimsim.config.schema.workload_section import (
    MAX_CONTEXT_LENGTH,
    PROJECTION_ROLES,
    AccuracyConfig,
    MappingConfig,
    ServingConfig,
    WorkloadConfig,
)

__all__ = [
    "MAX_CONTEXT_LENGTH",
    "PROJECTION_ROLES",
    "SCHEMA_VERSION",
    "AccuracyConfig",
    "Area",
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
    "Energy",
    "HostConfig",
    "MachineConfig",
    "MappingConfig",
    "MemoryConfig",
    "MeshConfig",
    "NonNegative",
    "OutsideComponent",
    "PlacementOrder",
    "Positive",
    "Power",
    "Section",
    "ServingConfig",
    "Slot",
    "SramConfig",
    "SystolicConfig",
    "TileBufferConfig",
    "TileDigitalConfig",
    "VectorConfig",
    "WorkloadConfig",
]
