"""Experts and latent attention of a `config.json`: their keys, and sizes that do not match each other."""

from collections.abc import Mapping
from typing import Any

from workloads.checked_fields import Boolean, Integer, Integers, Optional, rules, shorten
from workloads.config_keys import Keys
from workloads.family import Family
from workloads.latent import LatentShape
from workloads.mixture import ExpertShape
from workloads.workload_errors import SpecError

LATENT_KEYS: Mapping[str, str] = {
    "kv_rank": "kv_lora_rank",
    "d_nope": "qk_nope_head_dim",
    "d_rope": "qk_rope_head_dim",
    "d_value": "v_head_dim",
}
"""Keys of the sizes of `LatentShape`, all of which are required; q_lora_rank may be null."""
LAYERS = Integer(0, 10_000)


def read_experts(keys: Keys, family: Family, layers: object) -> ExpertShape | None:
    """Read the shape of a mixture of experts.

    Args:
        keys: The values of the file, which receive the problems.
        family: Its family.
        layers: Number of layers in the file; ignored if it is not valid.

    Returns:
        The shape; None if the family has no experts, or after a problem.
    """
    mixture, checks = family.mixture, rules(ExpertShape)
    if mixture is None:
        return None
    experts = keys.required(mixture.experts, checks["experts"])
    per_token = keys.required(mixture.per_token, checks["per_token"])
    d_expert = keys.required(mixture.d_expert, checks["d_expert"])
    d_shared = keys.required(mixture.shared_width, checks["d_expert"]) if mixture.shared_width else None
    shared = 0
    if mixture.shared_count is not None:
        shared = keys.optional(mixture.shared_count, Integer(0, 2**16), mixture.default_shared)
    if family.windows == "switched" and keys.optional("use_sliding_window", Boolean(), False):
        keys.problems.add("use_sliding_window", "must be false: windows in Qwen's mixtures of experts are not modelled")
    dense = _dense_layers(keys, family, layers)
    if keys.problems.found:
        return None
    if per_token > experts:
        keys.problems.add(mixture.per_token, f"must be at most {mixture.experts}, {experts}, not {per_token}")
        return None
    if type(layers) is int and len(dense) >= layers:
        keys.problems.add(mixture.experts, f"is {experts}, but none of the {layers} layers has experts")
        return None
    return ExpertShape(
        experts=experts,
        per_token=per_token,
        d_expert=d_expert,
        d_shared=shared * d_expert or d_shared,
        shared_gate=mixture.shared_width is not None,
        dense_layers=dense,
    )


def _dense_layers(keys: Keys, family: Family, layers: object) -> tuple[int, ...]:
    """Return the layers that have a usual FFN, from 0; those after the last layer are left out."""
    mixture, dense = family.mixture, set[int]()
    assert mixture is not None
    if mixture.first_dense is not None:
        first = keys.optional(mixture.first_dense, LAYERS, mixture.default_first_dense)
        dense |= set(range(first)) if type(first) is int else set()
    if mixture.every is not None and type(layers) is int:
        every = keys.optional(mixture.every, Integer(1, 10_000), 1)
        dense |= {layer for layer in range(layers) if type(every) is int and (layer + 1) % every}
    if mixture.dense is not None:
        listed = keys.values.get(mixture.dense)
        found = tuple(listed) if isinstance(listed, list) else listed
        if text := Optional(Integers(0, 9_999)).problem(found):
            keys.problems.add(mixture.dense, text)
        else:
            dense |= set(found or ())
    return tuple(sorted(layer for layer in dense if type(layers) is not int or layer < layers))


def read_latent(keys: Keys, family: Family, sizes: Mapping[str, Any]) -> LatentShape | None:
    """Read the shape of latent attention, and compare it with the numbers of heads.

    Args:
        keys: The values of the file, which receive the problems.
        family: Its family.
        sizes: Other sizes in the file by field of `ModelSpec`.

    Returns:
        The shape; None if the family has no latent attention, or after a problem.

    Reference:
        `DeepseekV3Attention` in modeling_deepseek_v3.py of transformers.
    """
    if not family.latent:
        return None
    checks = rules(LatentShape)
    found = {field: keys.required(key, checks[field]) for field, key in LATENT_KEYS.items()}
    if "q_lora_rank" not in keys.values:
        keys.problems.add("q_lora_rank", "is missing; null means that one matrix makes the queries")
    found["q_rank"] = keys.optional("q_lora_rank", checks["q_rank"], None)
    kv_heads, heads = sizes.get("kv_heads"), sizes.get("heads")
    if kv_heads is not None and kv_heads != heads:
        text = f"must be {family.heads}, {heads}, with latent attention (kv_lora_rank), not {shorten(kv_heads)}"
        keys.problems.add(str(family.kv_heads), text)
    if keys.problems.found:
        return None
    whole = found["d_nope"] + found["d_rope"]
    for key, wanted in (("qk_head_dim", whole), ("head_dim", found["d_rope"])):
        named = "qk_nope_head_dim + qk_rope_head_dim" if key == "qk_head_dim" else "qk_rope_head_dim"
        if (given := keys.values.get(key, wanted)) not in (wanted, whole, None):
            keys.problems.add(key, f"must be {named}, {wanted}, not {shorten(given)}")
    if found["d_rope"] % 2:
        keys.problems.add("qk_rope_head_dim", f"must be even, since pairs are rotated, not {found['d_rope']}")
    try:
        return LatentShape(**found)
    except SpecError as error:
        keys.problems.add("", str(error))
        return None
