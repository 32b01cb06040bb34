"""Looks that plots and reports share: colours, hatches, and the names of machines, components and models.

The colours are those of Okabe and Ito (jfly.uni-koeln.de/color, 2008), which colour-blind readers can distinguish.
Where two of them look the same in grey print, a hatch distinguishes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Look:
    """Look of one series.

    Attributes:
        label: Label in the legend.
        colour: Fill colour.
        hatch: Hatch of matplotlib; empty means none.
    """

    label: str
    colour: str
    hatch: str = ""

    def bar(self) -> dict[str, Any]:
        """Return the look as keyword arguments of `Axes.bar` and `Axes.barh`.

        Returns:
            The keyword arguments.
        """
        return {"label": self.label, "facecolor": self.colour, "hatch": self.hatch, "edgecolor": "black"}


BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT_GREY = "#999999", "#DDDDDD"

MACHINES: Mapping[str, Look] = MappingProxyType(
    {"tpu-llm": Look("TPU-LLM", ORANGE), "pim-llm": Look("PIM-LLM", BLUE)},
)

DATAFLOWS: Mapping[str, Look] = MappingProxyType(
    {
        "os": Look("output-stationary", BLUE),
        "ws": Look("weight-stationary", ORANGE),
        "is": Look("input-stationary", LIGHT_GREY, "////"),
    }
)

PARTS: Mapping[str, Look] = MappingProxyType(
    {
        "systolic": Look("systolic", BLUE),
        "near_memory": Look("near memory", BLUE, "...."),
        "sram_cim": Look("SRAM macros", BLUE, "xxxx"),
        "prediction": Look("prediction", BLUE, "////"),
        "communication": Look("communication", ORANGE),
        "tile_buffer": Look("tile buffer", SKY_BLUE, "////"),
        "digital": Look("digital", "#FFFFFF", "||||"),
        "crossbar": Look("crossbar", BLACK),
        "dac": Look("DAC", YELLOW, "xxxx"),
        "adc": Look("ADC", VERMILION),
        "sram": Look("SRAM", YELLOW),
        "memory": Look("memory", PURPLE, "\\\\\\\\"),
        "kv_tiers": Look("KV tiers", SKY_BLUE, "...."),
        "programming": Look("programming", VERMILION, "xxxx"),
        "chip_link": Look("chip link", ORANGE, "...."),
        "vector": Look("vector", GREEN),
        "processor": Look("processor", BLUE, "||||"),
        "controller": Look("controller", LIGHT_GREY, "...."),
        "contention": Look("contention", GREY, "////"),
    }
)
"""Looks of the latency components (`pimsim.steps.step_tree.PARTS`)."""

_SAME = (
    *("systolic", "near_memory", "sram_cim", "prediction", "vector", "sram", "memory", "controller", "programming"),
    "chip_link",
)
COMPONENTS: Mapping[str, Look] = MappingProxyType(
    {
        "tile": Look("tile", VERMILION),
        "mesh": Look("mesh", ORANGE),
        **{name: PARTS[name] for name in _SAME},
    }
)
"""Looks of hardware components; each has the look of the latency component that most of its time belongs to."""

OP_CLASSES: Mapping[str, Look] = MappingProxyType(
    {
        look.label: look
        for look in (
            Look("projections on crossbars", VERMILION),
            Look("projections on the systolic array", VERMILION, "////"),
            Look("projections", VERMILION, "...."),
            Look("attention scores", BLUE),
            Look("attention values", SKY_BLUE),
            Look("softmax", GREEN, "////"),
            Look("vector ops", GREEN),
            Look("quantisation passes", YELLOW),
            Look("LM head", ORANGE),
            Look("embedding", ORANGE, "////"),
            Look("KV cache writes", PURPLE),
            Look("prefetch of the KV cache", PURPLE, "////"),
            Look("loading the stored KV cache", PURPLE, "xxxx"),
            Look("moves between KV tiers", PURPLE, "...."),
            Look("recomputation of keys and values", BLUE, "////"),
            Look("expansion of latents", BLUE, "...."),
            Look("choice and sum of experts", GREEN, "...."),
            Look("choice of kept tokens", GREEN, "xxxx"),
            Look("weight swapping", VERMILION, "xxxx"),
            Look("chip link", ORANGE, "...."),
        )
    }
)
"""Looks of the classes of ops (`pimsim.studies.memory_wall.op_classes`)."""

_FAMILIES = {"gpt2": "GPT-2 ", "opt": "OPT-", "llama": "LLaMA-"}


def model_label(model: str) -> str:
    """Return the name of a model as the paper writes it, e.g. "GPT-2 350M" or "OPT-6.7B".

    Args:
        model: Name of the model in pimsim.

    Returns:
        The name in the paper; `model` itself for other families.
    """
    family, _, size = model.partition("-")
    if family not in _FAMILIES or not size:
        return model
    return _FAMILIES[family] + (size.upper() if size[0].isdigit() else size.capitalize())
