"""Random machines that are just large enough for their model, or too small for it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pimsim.base.errors import CapacityError
from pimsim.config.schema import Config
from pimsim.mapping.tile_plan import LayerPlan, plan_tiles
from tests.support import strategies, trace_strategies
from workloads.trace import Trace

SCHEDULES = ("serial", "dataflow")


ALL_ROLES = (("q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down"),)


def changed(config: Config, *, crossbar: Any = None, chips: Any = None, mapping: Any = None, **top: Any) -> Config:
    """A config with other keys in these sections."""
    assert config.machine.crossbar
    machine = config.machine.model_copy(
        update={
            "crossbar": config.machine.crossbar.model_copy(update=crossbar or {}),
            "chips": config.machine.chips.model_copy(update=chips or {}),
        }
    )
    sections = {"machine": machine, "mapping": config.mapping.model_copy(update=mapping or {})}
    return config.model_copy(update=sections | top)


def layers_of(config: Config, trace: Trace) -> list[LayerPlan]:
    return [layer for layers in plan_tiles(config, trace).blocks for layer in layers for _ in range(layer.repeat)]


def banks_needed(config: Config, trace: Trace) -> int:
    """Banks that hold the whole model on one chip."""
    for banks in range(1, 1 << 10):
        try:
            plan_tiles(changed(config, crossbar={"banks": banks}, mapping={"provisioning": "whole_model"}), trace)
        except CapacityError:
            continue
        return banks
    raise AssertionError


def smallest_swapping(config: Config, trace: Trace) -> Config:
    """The config with the fewest banks on one chip that any layer fits."""
    for banks in range(1, 1 << 10):
        swapping = changed(config, crossbar={"banks": banks}, mapping={"provisioning": "swap"})
        try:
            plan_tiles(swapping, trace)
        except CapacityError:
            continue
        return swapping
    raise AssertionError


@st.composite
def swapping_runs(draw: st.DrawFn) -> tuple[Config, Trace]:
    """Machines of one to three chips that are too small for their model, most of them."""
    config, trace = draw(strategies.runs(crossbars=True))
    config = changed(
        smallest_swapping(config, trace),
        chips={"count": draw(st.integers(1, 3))},
        schedule=draw(st.sampled_from(SCHEDULES)),
    )
    assert config.machine.crossbar
    return changed(config, crossbar={"banks": config.machine.crossbar.banks + draw(st.integers(0, 1))}), trace


@st.composite
def model_runs(draw: st.DrawFn) -> tuple[Config, Trace]:
    """A model of which every layer is one placement group, on one chip."""
    trace = draw(trace_strategies.model_traces)
    config = draw(strategies.configs_for(trace, crossbars=True))
    mapping = {"placement_groups": ALL_ROLES, "provisioning": "whole_model"}
    config = changed(config, mapping=mapping, leakage_gating="not_charged")
    return changed(config, crossbar={"banks": banks_needed(config, trace)}), trace
