"""Room for the last step of a generation in the tiers of the KV cache."""

from __future__ import annotations

from pimsim.config.schema import Config


def with_reserve(config: Config, last: int) -> Config:
    """Reserve room for the last step where whole layers lie in a tier, so that no layer moves during a generation.

    Args:
        config: Config of the generation.
        last: Context length of the last step.

    Returns:
        The config, with `mapping.kv_tiers.reserve_tokens` if layers are placed as a whole and it is null.
    """
    placement = config.mapping.kv_tiers
    if not config.machine.kv_tiers or placement.place != "layer" or placement.reserve_tokens is not None:
        return config
    placement = placement.model_copy(update={"reserve_tokens": last})
    return config.model_copy(update={"mapping": config.mapping.model_copy(update={"kv_tiers": placement})})
