"""Keys of serving that have no effect beside other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.kv_tier_rules import when
from pimsim.config.schema import Config

_MIXED = ("mixed", "priority", "deadline")
_SHIPPED = ("prefill_first", "decode_first", *_MIXED)


def _has_prompts_apart(config: Config) -> bool:
    return config.serving.policy in _SHIPPED and config.serving.policy not in _MIXED


SERVING_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (
        ("serving.kv_watermark",),
        when(
            lambda config: config.serving.kv_block_tokens is None,
            "serving.kv_block_tokens=null reserves the whole KV cache of a request, so that there are no blocks",
        ),
        ("serving.kv_block_tokens",),
    ),
    (
        ("serving.swap_tier", "serving.swap_tier."),
        when(
            lambda config: config.serving.preemption != "swap",
            "serving.preemption=recompute moves nothing; set it to swap",
        ),
        ("serving.preemption",),
    ),
    (
        ("serving.prefix_hash_tokens",),
        when(lambda config: not config.serving.prefix_sharing, "serving.prefix_sharing=false reads no hashes"),
        ("serving.prefix_sharing",),
    ),
    (
        ("serving.decodes_in_budget",),
        when(
            lambda config: config.serving.prefill_tokens is None,
            "serving.prefill_tokens=null sets no limit, of which decode steps could take tokens",
        ),
        ("serving.prefill_tokens",),
    ),
    (
        ("serving.decodes_in_budget",),
        when(
            _has_prompts_apart, "iterations with prompts have no decode steps; set serving.policy to mixed, for example"
        ),
        ("serving.policy",),
    ),
    (
        tuple(f"serving.speculation.{key}" for key in ("tokens", "acceptance", "draft_model", "seed")),
        when(
            lambda config: config.serving.speculation.method is None,
            "serving.speculation.method=null decodes one token per step",
        ),
        ("serving.speculation.method",),
    ),
    (
        ("serving.speculation.draft_model",),
        when(
            lambda config: config.serving.speculation.method == "ngram",
            "serving.speculation.method=ngram copies tokens, without a model",
        ),
        ("serving.speculation.method",),
    ),
)
"""Keys, the function that returns why they have no effect, and the keys on which that depends."""
