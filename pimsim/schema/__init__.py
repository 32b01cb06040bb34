"""The config tree: one frozen model per part of the chip, with bounds and a description per key.

Keys carry SI units in their names; a value may be written with a unit string, which `pimsim.config` has turned into
an SI number before it gets here. There are no defaults in this file: they stand, each with its source, in
``configs/defaults.yaml``.
"""

from pimsim.schema.config import SCHEMA_VERSION, Config, MachineConfig, OutsideComponent, Slot
from pimsim.schema.crossbars import CrossbarConfig, MeshConfig, PlacementOrder, TileBufferConfig, TileDigitalConfig
from pimsim.schema.memory import DramConfig, MemoryConfig
from pimsim.schema.parts import (
    ChipLinkConfig,
    ChipsConfig,
    ControllerConfig,
    Dataflow,
    HostConfig,
    SramConfig,
    SystolicConfig,
    VectorConfig,
)
from pimsim.schema.quantities import Area, Clock, Delay, Dimension, Energy, NonNegative, Positive, Power, Section
from pimsim.schema.workload import (
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
