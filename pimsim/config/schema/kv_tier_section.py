"""Sections of the tiers of memory that hold the KV cache, and of how the cache is placed in them."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pimsim.base.errors import ConfigError, did_you_mean, show
from pimsim.config.memory_tiers import BY_CAPACITY, find_tier, memory_tiers
from pimsim.config.schema.quantities import Area, Delay, Energy, NonNegative, Positive, Power, Section
from pimsim.config.schema.registered_names import UNREGISTERED

MEMORY = "memory"
"""Preset of the off-chip memory of the machine, whose figures are those of `machine.memory`."""

TierKind = Literal["sram", "edram", "reram", "hbm", "lpddr", "ddr", "cxl", "ssd", "memory"]


class KvTierConfig(Section):
    """A tier of memory that holds a part of the KV cache: a preset, own values, or a preset with some own values."""

    preset: str | None = Field(
        default=None,
        max_length=100,
        description=f"{', '.join(memory_tiers())}, as for pimsim kv --tier: NAME:N stands for N units of one "
        "(pimsim/config/data/memory_tiers.yaml); memory: machine.memory, which weights share; null: all values are "
        "stated here",
    )
    name: str = Field(
        min_length=1,
        max_length=32,
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="name in results, where the component is called kv_NAME; not stated: that of the preset",
    )
    kind: TierKind = Field(description="technology, for reports")
    part: str = Field(max_length=100, description="name of the part in reports")
    capacity_bytes: int | None = Field(
        ge=1,
        le=1 << 50,
        description="room for the KV cache on each chip. If it differs from that of the preset, background_w and "
        "area_m2 that are not stated change in proportion; null: of the preset memory only, what machine.memory has "
        "left beside weights and activations",
    )
    read_bytes_per_s: Positive | None = Field(le=1e15, description="bandwidth of reads; null: of machine.memory")
    write_bytes_per_s: Positive | None = Field(le=1e15, description="bandwidth of writes; null: of machine.memory")
    access_latency_s: NonNegative | None = Field(
        le=1.0, description="time from a request to its first byte; null: of machine.memory"
    )
    read_energy_j_per_bit: Energy | None = Field(description="per bit read; null: of machine.memory")
    write_energy_j_per_bit: Energy | None = Field(description="per bit written; null: of machine.memory")
    background_w: Power | None = Field(
        description="static power without refresh. A tier that holds a cache cannot be gated, so that it is charged "
        "for the whole run, unless leakage_gating is not_charged; null: of machine.memory"
    )
    retention_s: Delay | None = Field(
        description="time after which every bit of the tier is refreshed (eDRAM); null: no refresh"
    )
    refresh_energy_j_per_bit: Energy = Field(description="per bit refreshed; charged like background_w")
    endurance_writes: Positive | None = Field(le=1e18, description="writes that a cell endures; null: no limit")
    area_m2: Area = Field(description="silicon area on the chip; 0 if it is not on the chip")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, given: Any) -> Any:
        """Fill in the values of the preset that are not stated.

        Args:
            given: The section as it was written.

        Returns:
            The section with all values.

        Raises:
            PydanticCustomError: If the preset is unknown.
            ValueError: If the number of units is not valid.
        """
        if not isinstance(given, dict) or not isinstance(preset := given.get("preset"), str):
            return given
        if preset == MEMORY:
            return _OF_MEMORY | given
        names = [*memory_tiers(), MEMORY]
        name = preset.strip().partition(":")[0].lower()
        if name not in names[:-1]:
            context = {
                "message": f"preset {show(preset)} is not one of {', '.join(names)}",
                "suggestion": did_you_mean(name, names),
            }
            raise PydanticCustomError(UNREGISTERED, "{message}; {suggestion}", context)
        try:
            tier = find_tier(preset)
        except ConfigError as error:
            raise ValueError(f"preset {show(preset)} {error.problems[0].message}") from error
        values = {"name": tier.name} | tier.values
        capacity = given.get("capacity_bytes")
        if isinstance(capacity, int):
            values |= {key: values[key] * capacity / tier.capacity_bytes for key in BY_CAPACITY}
        return values | given

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        figures = {
            "capacity_bytes": self.capacity_bytes,
            "read_bytes_per_s": self.read_bytes_per_s,
            "write_bytes_per_s": self.write_bytes_per_s,
            "access_latency_s": self.access_latency_s,
            "read_energy_j_per_bit": self.read_energy_j_per_bit,
            "write_energy_j_per_bit": self.write_energy_j_per_bit,
            "background_w": self.background_w,
        }
        if self.is_memory:
            stated = [key for key, value in figures.items() if value is not None and key != "capacity_bytes"]
            if stated or self.name != MEMORY or self.kind != MEMORY:
                raise ValueError(
                    f"preset memory is machine.memory, which has its own {stated[0] if stated else 'name and kind'}; "
                    "only capacity_bytes may be stated here"
                )
            return self
        if missing := [key for key, value in figures.items() if value is None]:
            raise ValueError(f"{missing[0]} must be a number; only the preset memory leaves it to machine.memory")
        if (self.retention_s is None) != (self.refresh_energy_j_per_bit == 0):
            raise ValueError(
                "retention_s and refresh_energy_j_per_bit belong together: give both, or null and 0 for no refresh"
            )
        if MEMORY in (self.name, self.kind):
            raise ValueError("name and kind memory are those of the preset memory")
        return self

    @property
    def is_memory(self) -> bool:
        """Whether the tier is the off-chip memory of the machine."""
        return self.preset == MEMORY


_OF_MEMORY: dict[str, Any] = {
    **dict.fromkeys(KvTierConfig.model_fields),
    "name": MEMORY,
    "kind": MEMORY,
    "part": "machine.memory",
    "refresh_energy_j_per_bit": 0.0,
    "area_m2": 0.0,
}


class KvPlacementConfig(Section):
    """Placement of the KV cache in the tiers of `machine.kv_tiers`; without effect if there are none."""

    place: Literal["age", "layer"] = Field(
        description="age: the newest tokens of every layer in the nearest tier, older ones in the next; layer: whole "
        "layers, the first ones in the nearest tier"
    )
    writes: Literal["back", "through"] = Field(
        description="place=age. back: a new token is written to its tier, and to the next tier when it has aged; "
        "through: it is written to the farthest tier too, so that ageing into that tier moves nothing"
    )
    prefetch_buffers: int | None = Field(
        ge=1,
        le=64,
        description="decode steps: number of layers for whose farther entries the nearest tier has room, to which they "
        "are copied before attention needs them; 2: the next layer is loaded while one is computed. null: entries go "
        "from their tier to the global buffer when attention needs them",
    )
    stored_in: str | None = Field(
        max_length=32,
        description="name of the tier that has the keys and values of workload.stored_tokens; null: the farthest",
    )
    recompute_fraction: float = Field(
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="decode steps, place=age: fraction of the tokens beyond the nearest tier of which the farthest "
        "tier keeps the inputs of each layer, from which K and V are computed again, in place of keys and values",
    )

    reserve_tokens: int | None = Field(
        ge=1,
        le=1 << 20,
        description="place=layer: tokens per sequence for which a layer has room in its tier, if more than those of "
        "the pass. null: those of the pass, and in a generation those of its last step, so that no layer moves",
    )

    @property
    def writes_through(self) -> bool:
        """Whether the farthest tier has all tokens, also those of nearer tiers."""
        return self.place == "age" and self.writes == "through"

    def recompute_problem(self) -> str:
        """Say why nothing can be recomputed although a fraction is given.

        Returns:
            The reason; empty if it can, or if no fraction is given.
        """
        for key, wanted in (("place", "age"), ("writes", "back"), ("prefetch_buffers", None)):
            if self.recompute_fraction and getattr(self, key) != wanted:
                shown = "null" if wanted is None else wanted
                return f"recompute_fraction above 0 needs {key}={shown}, not {getattr(self, key)}"
        return ""
