"""Schema of a system file: two or more machines, the link between them, and how they share the work of a model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pimsim.config.schema.quantities import ONLY_INTEGERS, Energy, NonNegative, Section

SYSTEM_VERSION = 1
MAX_CHIPS = 1024

MAX_MACHINES = 1024
"""Largest number of machines that serve requests together."""

Split = Literal["phases", "attention", "tensor", "replicas"]
"""What the machines of a system share: the phases of a generation, the ops of a layer, the matrices of a layer, or only
the requests."""

ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"phases": ("prefill", "decode"), "attention": ("attention", "projections"), "tensor": ("chip",), "replicas": ()}
)
"""Roles of the machines by the value of `split`; replicas have names of their own."""

Routing = Literal["round_robin", "random", "least_loaded", "least_kv", "prefix_aware", "central_queue"]
"""Rules that choose the machine of a request (docs/serving-systems.md)."""

SHARED_SECTIONS = ("workload", "schedule", "leakage_gating", "operations_per_mac")
"""Keys of a config that a system file sets for all of its machines."""


class LinkSection(Section):
    """The link between two machines; each direction has the whole bandwidth."""

    part: str = Field(min_length=1, max_length=200, description="name of the link in reports")
    bandwidth_bps: float | None = Field(
        gt=0,
        le=1e18,
        description="payload per second and direction; null: the machines share buffers and memories, so that nothing "
        "is transferred",
    )
    latency_s: NonNegative = Field(le=1.0, description="time from sending to receiving the first bit")
    energy_j_per_bit: Energy = Field(description="both ends of the link together")

    @model_validator(mode="after")
    def _shared_memory_is_free(self) -> Self:
        if self.bandwidth_bps is None and (self.latency_s or self.energy_j_per_bit):
            raise ValueError("without a bandwidth nothing is transferred: latency_s and energy_j_per_bit must be 0")
        return self


class ClusterSection(Section):
    """How the machines of a system serve requests; only `pimsim serve` reads it."""

    replicas: dict[str, Annotated[int, Field(ge=1, le=MAX_MACHINES)]] = Field(
        default_factory=dict, description="number of equal machines of each role; 1 for a role that is not named"
    )
    routing: Routing = Field(
        default="least_loaded",
        description="machine of an arriving request. round_robin: one after another; random: all equally likely; "
        "least_loaded: fewest requests, running and waiting; least_kv: fewest bytes of their KV caches; prefix_aware: "
        "the last one with the longest common prefix of the prompt, else least_loaded; central_queue: requests wait in "
        "one queue for the first machine with a free slot",
    )
    decode_routing: Routing = Field(
        default="least_loaded", description="split: phases: decode machine of a request with its first token, likewise"
    )
    ports: Literal["shared", "per_machine"] = Field(
        default="shared",
        description="split: phases: shared: all KV caches use one link, one after another; per_machine: each machine "
        "has a port with the whole bandwidth, and a KV cache uses that of its sender and that of its receiver",
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed of routing: random")


class SystemSection(Section):
    """A system file. The configs of its machines are validated when they are loaded."""

    system_version: Annotated[Literal[1], ONLY_INTEGERS] = Field(default=1, description="version of the format")
    name: str = Field(default="system", min_length=1, max_length=100, description="name in reports")
    description: str = Field(default="", max_length=10_000, description="what the system is")
    split: Split = Field(
        description="phases: one machine computes the prefill, the other one the decode steps; attention: one machine "
        "computes attention, the other one all other ops; tensor: equal chips share the matrices of each layer; "
        "replicas: each machine serves requests of its own"
    )
    machines: dict[str, str | dict[str, Any]] = Field(
        description="config of each role: name, path, or keys of a config. Roles: prefill and decode; attention and "
        "projections; chip; any names for replicas"
    )
    chips: int | None = Field(default=None, ge=2, le=MAX_CHIPS, description="tensor: number of equal chips")
    link: LinkSection | None = Field(default=None, description="needed but for replicas, which have none")
    sum_bits: int = Field(default=16, ge=1, le=64, description="tensor: bits of a partial sum that a chip sends")
    cluster: ClusterSection = ClusterSection()
    workload: dict[str, Any] = Field(default_factory=dict, description="keys of the workload of all machines")
    schedule: str | None = Field(default=None, description="schedule of all machines; null: that of their configs")
    leakage_gating: str | None = Field(default=None, description="leakage that all machines charge, likewise")
    operations_per_mac: int | None = Field(default=None, description="operations that a MAC counts as, likewise")
