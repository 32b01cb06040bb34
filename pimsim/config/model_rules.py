"""Keys of `workload` that only some models read, of experts and of latents, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.model_folders import is_shipped_model
from pimsim.config.schema import Config
from workloads.models import ModelSpec, load_models

_MODEL = ("workload.model", "workload.trace")


def _shipped(config: Config) -> ModelSpec | None:
    """Return the model of a config if it ships with pimsim; None for a trace, or for a file that would be read."""
    name = (config.workload.model or "").strip().lower()
    if config.workload.trace is not None or not is_shipped_model(name):
        return None
    return next((spec for spec in load_models().values() if name in (spec.name, *spec.aliases)), None)


def _no_experts(config: Config) -> str:
    spec = _shipped(config)
    return f"{spec.name} has no mixture of experts" if spec is not None and spec.experts is None else ""


def _no_latents(config: Config) -> str:
    spec = _shipped(config)
    return f"{spec.name} has no multi-head latent attention" if spec is not None and spec.latent is None else ""


def _traced(config: Config) -> str:
    traced = config.workload.routing.trace is not None
    return "workload.routing.trace gives the experts of each token" if traced else ""


MODEL_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (("workload.routing.",), _no_experts, _MODEL),
    (("workload.routing.skew", "workload.routing.seed"), _traced, ("workload.routing.trace",)),
    (("workload.mla",), _no_latents, _MODEL),
)
"""Keys, why they have no effect (empty: they have one), and the keys on which that depends."""
