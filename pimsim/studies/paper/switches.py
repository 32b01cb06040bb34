"""The switches of the `corrected` accounting: each counts something that the paper leaves out, alone or with others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType
from typing import Literal

Value = bool | int | str


@dataclass(frozen=True, slots=True)
class Switch:
    """A correction: what it changes and why. Of several `values`, the last is taken where all switches are on."""

    name: str
    changes: str
    reason: str
    values: tuple[Value, ...] = (True,)


@dataclass(frozen=True, slots=True)
class Setting:
    """A switch that is on, at one of its values."""

    switch: Switch
    value: Value

    @property
    def label(self) -> str:
        """Its name in tables: "kv_traffic", "tpu_weight_storage=2"."""
        return self.switch.name if self.value is True else f"{self.switch.name}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Which switches are on; the order in which they were turned on leaves no trace."""

    real_ffn: bool = False
    gated_ffn: bool = False
    attention_all_layers: bool = False
    mac_is_two: bool = False
    embedding_lm_head: bool = False
    kv_traffic: bool = False
    tpu_weight_storage: Literal[1, 2, 8] | None = None
    digital_units: bool = False
    leakage: Literal["off", "idle"] | None = None

    def turned_on(self, *settings: Setting) -> Switches:
        """These, and the given ones."""
        return replace(self, **{setting.switch.name: setting.value for setting in settings})  # type: ignore[arg-type]


_IN_ORDER = (
    Switch(
        "real_ffn",
        "GPT-2 has d_ff = 4 d_model in time, on both machines, and in the baseline's energy, which is its time at "
        "constant power",
        "The published times of GPT-2 come out with d_ff = d_model, which is not GPT-2. PIM-LLM's published energies "
        "have the real width already.",
    ),
    Switch(
        "gated_ffn",
        "LLaMA's FFN has its three matrices (gate, up, down) in time and energy; gate and up share their input and "
        "run side by side on tiles of their own",
        "The published accounting has two of them.",
    ),
    Switch(
        "attention_all_layers",
        "the systolic array of PIM-LLM costs energy in every layer",
        "The published energies of PIM-LLM come out with the attention of one layer, those of the baseline with that "
        "of all layers.",
    ),
    Switch(
        "mac_is_two",
        "GOPS and GOPS/W of both machines: a multiply-accumulate is two operations",
        "The usual convention. It cancels between the two machines, and not in a comparison with a design that counts "
        "otherwise.",
    ),
    Switch(
        "embedding_lm_head",
        "look-up, final norm and LM head; the LM head, d_model x vocabulary, is W8A8 on the systolic array of both "
        "machines. Its weights and the look-up cost memory traffic with kv_traffic, the norm with digital_units",
        "No token comes out without them, and 1-bit LLMs keep them in 8 bits, which 1-bit crossbars do not hold.",
    ),
    Switch(
        "kv_traffic",
        "time and energy of the memory for what both machines move at every step: K and V read, the new entry "
        "appended; with embedding_lm_head also the rows looked up and the LM head's weights",
        "But for the smallest model at the shortest contexts, the KV cache exceeds the 8 MiB on the chip and is read "
        "from LPDDR for every token.",
    ),
    Switch(
        "tpu_weight_storage",
        "time and energy of the memory for TPU-LLM's projection weights, streamed for every token at 1, 2 or 8 bits "
        "each",
        "A machine without crossbars keeps no weights. Its array multiplies 8-bit operands; 2 bits hold a ternary "
        "weight and 1 a binary one, behind an unpacker that is not charged. PIM-LLM's weights stay in crossbars.",
        values=(1, 2, 8),
    ),
    Switch(
        "digital_units",
        "time and energy of vector unit, global buffer and controller of both machines",
        "Norms, softmax and activations are computed, operands pass the buffer on their way, commands are issued.",
    ),
    Switch(
        "leakage",
        "leakage of the global buffer, the controller's store and the tiles' buffers: off (no gating) for the whole "
        "token, idle (gated while idle) only while a part is busy",
        "Stock buffers leak: 8.863 mW each, five to a tile, and 8.83 W for the 8 MiB of the global buffer. What the "
        "chip gates is not published.",
        values=("off", "idle"),
    ),
)

SWITCHES: Mapping[str, Switch] = MappingProxyType({switch.name: switch for switch in _IN_ORDER})
"""Every switch, in the order of the waterfall: real shapes, what is counted of them, then what is left out."""

ALL_SETTINGS = tuple(Setting(switch, switch.values[-1]) for switch in _IN_ORDER)
NONE = Switches()
ALL = NONE.turned_on(*ALL_SETTINGS)
"""All together. Weights of the baseline at 8 bits, as its config has them, and gating as in ``defaults.yaml``."""


def settings() -> Iterator[Setting]:
    """Every switch at each of its values, in the order of the waterfall."""
    return (Setting(switch, value) for switch in _IN_ORDER for value in switch.values)


def cumulative(setting: Setting) -> Switches:
    """A setting and, at their last values, all switches before it."""
    before = ALL_SETTINGS[: _IN_ORDER.index(setting.switch)]
    return NONE.turned_on(*before, setting)


def all_variants() -> tuple[Switches, ...]:
    """All switches together, with every choice of their values; the last is `ALL`."""
    choices = product(*([Setting(switch, value) for value in switch.values] for switch in _IN_ORDER))
    return tuple(NONE.turned_on(*chosen) for chosen in choices)
