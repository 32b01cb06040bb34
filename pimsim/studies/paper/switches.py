"""Switches of the `corrected` accounting. Each switch counts something that the paper leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType
from typing import Literal

Value = bool | int | str


@dataclass(frozen=True, slots=True)
class Switch:
    """A correction of the published accounting.

    Attributes:
        name: Name of the switch, which is a field of `Switches`.
        changes: Effect of the switch, as text.
        reason: Reason for the correction, as text.
        values: Possible values when the switch is on; the last one is used where all switches are on.
    """

    name: str
    changes: str
    reason: str
    values: tuple[Value, ...] = (True,)


@dataclass(frozen=True, slots=True)
class Setting:
    """A switch that is on, with one of its values."""

    switch: Switch
    value: Value

    @property
    def label(self) -> str:
        """Name in tables, such as "kv_traffic" or "tpu_weight_storage=2"."""
        return self.switch.name if self.value is True else f"{self.switch.name}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Set of the switches that are on; see `SWITCHES` for their meaning."""

    real_ffn: bool = False
    gated_ffn: bool = False
    attention_all_layers: bool = False
    mac_is_two: bool = False
    embedding_lm_head: bool = False
    kv_traffic: bool = False
    tpu_weight_storage: Literal[1, 2, 8] | None = None
    digital_units: bool = False
    leakage: Literal["ungated", "idle_gated"] | None = None

    def turned_on(self, *settings: Setting) -> Switches:
        """Return these switches with more switches turned on.

        Args:
            *settings: Switches to turn on, each with a value.

        Returns:
            New set of switches.
        """
        return replace(self, **{setting.switch.name: setting.value for setting in settings})  # type: ignore[arg-type]


_IN_ORDER = (
    Switch(
        "real_ffn",
        "GPT-2 has d_ff = 4 d_model in the latency of both machines, and in the energy of the baseline, which is its "
        "latency multiplied by a constant power",
        "The published latencies of GPT-2 correspond to d_ff = d_model, which is not GPT-2. The published energies of "
        "PIM-LLM already correspond to the real width.",
    ),
    Switch(
        "gated_ffn",
        "the FFN of LLaMA has three matrices (gate, up, down) in latency and energy; gate and up have the same input "
        "and run in parallel on separate tiles",
        "The published accounting has two matrices.",
    ),
    Switch(
        "attention_all_layers",
        "the energy of the systolic array of PIM-LLM is counted in every layer",
        "The published energies of PIM-LLM correspond to the attention of one layer, those of the baseline to the "
        "attention of all layers.",
    ),
    Switch(
        "mac_is_two",
        "a multiply-accumulate is two operations in GOPS and GOPS/W of both machines",
        "This is the usual convention. It cancels in the ratio of the two machines, but not in a comparison with a "
        "design that uses another convention.",
    ),
    Switch(
        "embedding_lm_head",
        "embedding look-up, final norm and LM head are included; the LM head, d_model x vocabulary, is W8A8 on the "
        "systolic array of both machines. Its weights and the look-up cause memory traffic with kv_traffic, and the "
        "norm counts with digital_units",
        "Every token needs them. 1-bit LLMs keep them in 8 bits, which 1-bit crossbars cannot store.",
    ),
    Switch(
        "kv_traffic",
        "latency and energy of the memory traffic of both machines at every step: K and V are read, and the new entry "
        "is appended; with embedding_lm_head also the embedding rows and the weights of the LM head",
        "Except for the smallest model at the shortest contexts, the KV cache is larger than the 8 MiB on the chip and "
        "is read from LPDDR for every token.",
    ),
    Switch(
        "tpu_weight_storage",
        "latency and energy of the memory traffic for the projection weights of TPU-LLM, which are streamed for every "
        "token with 1, 2 or 8 bits per weight",
        "A machine without crossbars does not store weights. Its array multiplies 8-bit operands; 2 bits can store a "
        "ternary weight and 1 a binary one, with an unpacker whose cost is not counted. The weights of PIM-LLM "
        "stay in the crossbars.",
        values=(1, 2, 8),
    ),
    Switch(
        "digital_units",
        "latency and energy of vector unit, global buffer and controller of both machines",
        "Norms, softmax and activations are computed, operands pass through the buffer, and commands are issued.",
    ),
    Switch(
        "leakage",
        "leakage of the global buffer, the memory of the controller and the buffers of the tiles: ungated for "
        "the whole token, idle_gated only while a component is busy",
        "Stock buffers leak: 8.863 mW each, with five per tile, and 8.83 W for the 8 MiB of the global buffer. The "
        "paper does not say which components are gated.",
        values=("ungated", "idle_gated"),
    ),
)

SWITCHES: Mapping[str, Switch] = MappingProxyType({switch.name: switch for switch in _IN_ORDER})
"""All switches in the order of the waterfall: real shapes first, then counting rules, then omitted components."""

ALL_SETTINGS = tuple(Setting(switch, switch.values[-1]) for switch in _IN_ORDER)
NONE = Switches()
ALL = NONE.turned_on(*ALL_SETTINGS)
"""All switches on: baseline weights with 8 bits, as in its config, and gating `idle_gated`."""


def settings() -> Iterator[Setting]:
    """List all switches with each of their values.

    Returns:
        Settings in the order of the waterfall.
    """
    return (Setting(switch, value) for switch in _IN_ORDER for value in switch.values)


def cumulative(setting: Setting) -> Switches:
    """Return a setting together with all switches before it in the waterfall, at their last values.

    Args:
        setting: Switch and value.

    Returns:
        Set of switches.
    """
    before = ALL_SETTINGS[: _IN_ORDER.index(setting.switch)]
    return NONE.turned_on(*before, setting)


def all_variants() -> tuple[Switches, ...]:
    """List all combinations of values with all switches on.

    Returns:
        Sets of switches; the last one is `ALL`.
    """
    choices = product(*([Setting(switch, value) for value in switch.values] for switch in _IN_ORDER))
    return tuple(NONE.turned_on(*chosen) for chosen in choices)
