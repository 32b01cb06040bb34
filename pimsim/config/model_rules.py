"""Keys of `workload` that only some models read, for `ineffective_keys`: of experts and of latent attention."""

from __future__ import annotations

from pimsim.config.model_folders import is_shipped_model
from pimsim.config.schema import Config
from workloads.models import ModelSpec, load_models


def lacks_experts(config: Config) -> bool:
    """Return whether the model of a config is known to have no mixture of experts.

    Args:
        config: Its workload.

    Returns:
        True for such a model that ships with pimsim; False for a trace file, or for a file that would have to be read.
    """
    spec = _shipped(config)
    return spec is not None and spec.experts is None


def lacks_latents(config: Config) -> bool:
    """Return whether the model of a config is known to have no latent attention.

    Args:
        config: Its workload.

    Returns:
        As `lacks_experts`.
    """
    spec = _shipped(config)
    return spec is not None and spec.latent is None


def draws_no_experts(config: Config) -> bool:
    """Return whether a trace of experts takes the place of draws.

    Args:
        config: Its workload.

    Returns:
        True if there is a trace of experts.
    """
    return config.workload.routing.trace is not None


def _shipped(config: Config) -> ModelSpec | None:
    name = (config.workload.model or "").strip().lower()
    if config.workload.trace is not None or not is_shipped_model(name):
        return None
    return next((spec for spec in load_models().values() if name in (spec.name, *spec.aliases)), None)
