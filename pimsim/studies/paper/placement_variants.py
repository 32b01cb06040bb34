"""Placement variants of the projections of PIM-LLM, compared with the calibration values of Fig. 5.

The paper does not say how the projections are placed on the mesh of MNSIM, or which of them run in parallel. All
variants use stock constants. The shipped config is the variant that fits best; nothing else is chosen with the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import get_args

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config, PlacementOrder
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.paper_runs import Study
from pimsim.studies.paper.published_values import calibration_tokens_per_s

GROUPS = {
    "one": [["q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down"]],
    "attention, ffn": [["q", "k", "v", "o"], ["ffn_gate", "ffn_up", "ffn_down"]],
    "qkv, rest": [["q", "k", "v"], ["o", "ffn_gate", "ffn_up", "ffn_down"]],
    "each": [["q"], ["k"], ["v"], ["o"], ["ffn_gate"], ["ffn_up"], ["ffn_down"]],
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A placement variant and its deviations from the calibration values.

    Attributes:
        placement: Order in which matrices occupy consecutive tiles.
        groups: Name of the placement groups; a key of `GROUPS`.
        last_output: Destination of the output of the last matrix of a group, "stays" or "port".
        at_once: Whether Q, K and V run in parallel.
        layer_us: Latency of the projections of one layer by model, microseconds.
        worst_percent: Largest absolute deviation, percent.
        mean_percent: Mean absolute deviation, percent.
    """

    placement: str
    groups: str
    last_output: str
    at_once: bool
    layer_us: dict[str, float]
    worst_percent: float
    mean_percent: float


def variants(base: Config) -> Iterator[Variant]:
    """Evaluate all combinations of placement order, placement groups, last output, and parallel or serial Q, K, V.

    Args:
        base: Config of PIM-LLM.

    Yields:
        Evaluated variants.

    Reference:
        docs/placement.md.
    """
    for placement, groups, last_output in _combinations():
        config = _variant_config(base, placement, groups, last_output)
        study = Study(pim=config)
        for at_once in (False, True):
            yield _judge(study, placement, groups, last_output, at_once)


def variant_count() -> int:
    """Return the number of variants that `variants` evaluates.

    Returns:
        Number of variants.
    """
    return 2 * len(_combinations())


def _combinations() -> list[tuple[PlacementOrder, str, str]]:
    return list(product(get_args(PlacementOrder), GROUPS, ("stays", "port")))


def _variant_config(base: Config, placement: str, groups: str, last_output: str) -> Config:
    assert base.machine.mesh
    mesh = base.machine.mesh.model_copy(update={"placement": placement, "last_output": last_output})
    machine = base.machine.model_copy(update={"mesh": mesh})
    mapping = base.mapping.model_copy(update={"placement_groups": tuple(map(tuple, GROUPS[groups]))})
    return base.model_copy(update={"machine": machine, "mapping": mapping})


def _judge(study: Study, placement: str, groups: str, last_output: str, at_once: bool) -> Variant:
    # The latency of the projections does not depend on the context, so one run per model is enough.
    layer_us, deviations = {}, []
    for (model, context_length, machine), printed in calibration_tokens_per_s().items():
        if machine != "pim-llm":
            continue
        result = study.run("pim-llm", model, 128)
        projection_s = ps_to_s(accounting.projection_ps(result, at_once=at_once))
        layer_us[model] = projection_s / result.ops[0].repeat * 1e6
        systolic_s = ps_to_s(_systolic_ps(study, model, context_length))
        deviations.append(100 * (1 / (projection_s + systolic_s) / printed - 1))
    magnitudes = [abs(each) for each in deviations]
    return Variant(
        placement, groups, last_output, at_once, layer_us, max(magnitudes), sum(magnitudes) / len(magnitudes)
    )


def _systolic_ps(study: Study, model: str, context_length: int) -> int:
    return accounting.parts_ps(study.run("pim-llm", model, context_length))["systolic"]
