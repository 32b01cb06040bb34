"""Values of a `config.json` that say how a router chooses experts, for networks whose numbers are computed.

The keys and defaults are those of the configuration classes in transformers.

Reference:
    `MixtralTopKRouter`, `Qwen2MoeTopKRouter`, `DeepseekV2TopkRouter` and `DeepseekV3TopkRouter` in
    models/*/modeling_*.py of transformers 5.24.
"""

from workloads.checked_fields import Boolean, Integer, Number, OneOf
from workloads.config_keys import Keys
from workloads.neural_network import RouterDetails

FACTOR = Number(1e-6, 1e6)
GROUPS = Integer(1, 2**16)


def read_router(keys: Keys, model_type: str, experts: int, per_token: int) -> RouterDetails | None:
    """Read how the router of a family chooses experts and weighs them.

    Args:
        keys: The values of the file, which receive the problems.
        model_type: Its family.
        experts: Experts of a layer.
        per_token: Experts of a token.

    Returns:
        The values; None if the numbers of the family's routers are not computed.
    """
    match model_type:
        case "mixtral":
            return RouterDetails(normalised=True)
        case "qwen2_moe":
            return RouterDetails(normalised=keys.optional("norm_topk_prob", Boolean(), False))
        case "deepseek_v2":
            method = keys.optional("topk_method", OneOf(("greedy", "group_limited_greedy")), "greedy")
            groups = (1, 1) if method == "greedy" else _groups(keys, experts, per_token)
            scaling = keys.optional("routed_scaling_factor", FACTOR, 1.0)
            return RouterDetails(scaling=scaling, groups=groups[0], chosen_groups=groups[1])
        case "deepseek_v3":
            groups = _groups(keys, experts, per_token)
            return RouterDetails(
                scores="sigmoid",
                normalised=keys.optional("norm_topk_prob", Boolean(), True),
                scaling=keys.optional("routed_scaling_factor", FACTOR, 2.5),
                groups=groups[0],
                chosen_groups=groups[1],
                group_terms=2,
            )
    return None


def _groups(keys: Keys, experts: int, per_token: int) -> tuple[int, int]:
    """Return the number of groups of experts and of chosen groups, and record sizes that do not fit."""
    groups, chosen = keys.required("n_group", GROUPS), keys.required("topk_group", GROUPS)
    if keys.problems.found:
        return 1, 1
    if experts % groups:
        keys.problems.add("n_group", f"must divide n_routed_experts, {experts}, not {groups}")
    elif chosen > groups:
        keys.problems.add("topk_group", f"must be at most n_group, {groups}, not {chosen}")
    elif chosen * (experts // groups) < per_token:
        fewest = -(-per_token // (experts // groups))
        keys.problems.add("topk_group", f"must be at least {fewest}, which have {per_token} experts, not {chosen}")
    return groups, chosen
