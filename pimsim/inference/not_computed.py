"""Structures of layers that traces have and the forward pass does not compute."""

from __future__ import annotations

from collections.abc import Iterator

from workloads.models import ModelSpec


def not_computed(spec: ModelSpec) -> Iterator[tuple[str, bool]]:
    """List the structures of layers that traces have and this module does not compute.

    Args:
        spec: Shape of a network.

    Yields:
        Name of a structure, and whether the network has it.
    """
    yield "attention and FFN in parallel", spec.parallel
    yield "norms after attention and FFN", spec.norm_order != "before"
    yield "norms of queries and keys", spec.qk_norms != "none"
    yield "soft caps", spec.score_cap or spec.logit_cap
    yield "biases of scores (ALiBi)", spec.position == "alibi"
    yield "rotary angles for a part of each head", spec.d_rotary is not None
