"""Notes of serving runs about preemptions and about what requests state without effect, and what swaps leave out."""

from __future__ import annotations

from collections.abc import Sequence

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.hardware.kv_tier import KvTier
from pimsim.results.accounting import CostItem
from pimsim.studies.serving.kv_usage import KvUsage
from pimsim.studies.serving.policies import SHIPPED_POLICIES
from workloads.requests import Request


def preemption_notes(config: Config, preemptions: int, recomputed_tokens: int) -> tuple[str, ...]:
    """Return what preemptions have cost.

    Args:
        config: Config of the run.
        preemptions: Number of preemptions.
        recomputed_tokens: KV entries that were lost.

    Returns:
        Sentences; none without preemptions.
    """
    if not preemptions:
        return ()
    who = f"the policy {config.serving.policy}"
    if config.serving.kv_block_tokens is not None:
        who = "sequences needed blocks of the KV memory when none was free, which"
    note = f"{who} preempted {preemptions:,} time{'s' * (preemptions != 1)}"
    if recomputed_tokens:
        note += f"; time and energy contain the {recomputed_tokens:,} KV entries that were computed again"
    return (note,)


def unused_notes(config: Config, requests: Sequence[Request]) -> tuple[str, ...]:
    """Name what requests state and the config does not use.

    Args:
        config: Config of the run.
        requests: All requests.

    Returns:
        Sentences.
    """
    notes = []
    policy = config.serving.policy
    if not config.serving.prefix_sharing and any(each.prefix_hashes for each in requests):
        notes.append(
            "requests have hashes of prefixes, but each prompt is computed as a whole; serving.prefix_sharing shares "
            "them"
        )
    if policy in SHIPPED_POLICIES and policy != "priority" and any(each.priority for each in requests):
        notes.append(f"requests have priorities, which the policy {policy} does not use")
    return tuple(notes)


def swap_background(config: Config, usage: KvUsage | None, span_ps: int) -> CostItem | None:
    """Return the background energy of the tier of swaps, which is left out.

    Args:
        config: Config of the run.
        usage: Use of the paged KV memory; None without pages.
        span_ps: Time of the run, ps.

    Returns:
        The item; None without swaps, or if the tier has no background power.
    """
    tier = config.serving.swap_tier
    if usage is None or config.serving.preemption != "swap" or tier is None:
        return None
    energy_j = KvTier(tier).leakage_w() * ps_to_s(span_ps)
    return CostItem(f"background power of {tier.name}, for swaps", 0, energy_j) if energy_j else None
