"""What the scheduler of a config needs beside the costs: limits, requests, KV memory, and space for swaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import to_ps
from pimsim.config.schema import Config
from pimsim.importers.request_traces.request_trace import RequestTrace
from pimsim.mapping.memory_footprint import size_text
from pimsim.studies.serving.kv_space import KVSpace
from pimsim.studies.serving.paged_memory import PagedMemory, prefix_keys
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival
from pimsim.studies.serving.served_request import Service
from pimsim.studies.serving.swap_space import SwapSpace
from workloads.requests import Request

MOONCAKE_HASH_TOKENS = 512
"""Prompt tokens per hash of the traces of kvcache-ai/Mooncake, FAST25-release/traces."""

BytesOf = Callable[[int], int]
"""Function that returns the largest size of the KV caches of a sequence, bytes, of its tokens at its end."""


def limits_of(config: Config, space: KVSpace) -> Limits:
    """Return the limits of the scheduler.

    Args:
        config: Config.
        space: Memory that weights and activations leave.

    Returns:
        The limits.
    """
    serving = config.serving
    return Limits(
        max_batch=serving.max_batch,
        policy=serving.policy,
        prefill_tokens=serving.prefill_tokens,
        kv_capacity_bytes=space.capacity_bytes,
        decodes_in_budget=serving.decodes_in_budget,
        slo_tpot_ps=None if serving.slo_tpot_s is None else to_ps(serving.slo_tpot_s),
        step_tokens=serving.step_tokens,
    )


def arrivals_of(config: Config, requests: Sequence[Request], kv_bytes: BytesOf) -> list[Arrival]:
    """Return requests as the scheduler sees them.

    Args:
        config: Config; the section `serving` has the service levels of requests without their own.
        requests: The requests.
        kv_bytes: Size of KV caches.

    Returns:
        One arrival per request, in the same order.
    """
    return [
        Arrival(
            to_ps(each.arrival_s),
            each.prompt_tokens,
            each.output_tokens,
            kv_bytes(each.kv_entries),
            service=_service(config, each),
        )
        for each in requests
    ]


def _service(config: Config, request: Request) -> Service:
    def at(after_s: float | None) -> int | None:
        return None if after_s is None else to_ps(request.arrival_s) + to_ps(after_s)

    ttft_s = request.ttft_deadline_s
    return Service(
        request.priority,
        at(config.serving.slo_ttft_s if ttft_s is None else ttft_s),
        at(request.latency_deadline_s),
        at(request.cancel_s),
        request.prefix_hashes if config.serving.prefix_sharing else (),
    )


def paged_memory(config: Config, space: KVSpace, requests: Sequence[Request], kv_bytes: BytesOf) -> PagedMemory | None:
    """Build the paged KV memory of a config.

    Args:
        config: Config.
        space: Memory that weights and activations leave.
        requests: All requests.
        kv_bytes: Size of KV caches.

    Returns:
        The memory; None if the config reserves whole KV caches.

    Raises:
        WorkloadInputError: If pages do not suit the KV cache of the config, a request never fits, or requests have more
            hashes than their prompts.
    """
    tokens = config.serving.kv_block_tokens
    if tokens is None:
        return None
    block_bytes = kv_bytes(tokens)
    longest = max(each.kv_entries for each in requests)
    most = -(-longest // tokens)
    if kv_bytes(most * tokens) != most * block_bytes:
        raise WorkloadInputError(
            f"serving.kv_block_tokens: {tokens:,} tokens take {block_bytes:,} bytes, but {most * tokens:,} tokens "
            f"{kv_bytes(most * tokens):,}: pages need a KV cache whose size is proportional to its tokens, without "
            "windows, dropped tokens (workload.kv.keep) or scales of groups of tokens; set it to null"
        )
    if space.capacity_bytes is None:
        # Nobody can be short of as many blocks as all requests together need.
        blocks = sum(-(-each.kv_entries // tokens) for each in requests)
    else:
        blocks = space.capacity_bytes // block_bytes
    unlimited = "" if config.serving.prefill_tokens else ", which serving.prefill_tokens limits"
    for each in requests:
        if -(-each.kv_entries // tokens) > blocks:
            raise WorkloadInputError(
                f"request {each.id!r} can never be served: its {each.kv_entries:,} KV entries need "
                f"{-(-each.kv_entries // tokens):,} blocks of {tokens:,} tokens, but there are {blocks:,} beside "
                f"weights ({size_text(space.weight_bytes)}) and activations "
                f"({size_text(space.activation_bytes)}{unlimited})"
            )
    # Of a memory without a limit, any fraction stays free.
    watermark = 0 if space.capacity_bytes is None else int(config.serving.kv_watermark * blocks)
    if not config.serving.prefix_sharing:
        return PagedMemory(blocks, tokens, block_bytes, watermark, step_tokens=config.serving.step_tokens)
    hash_tokens = hash_tokens_of(config, requests)
    return PagedMemory(
        blocks,
        tokens,
        block_bytes,
        watermark,
        lambda each: prefix_keys(each.service.prefix_hashes, hash_tokens, tokens, each.prompt_tokens),
        config.serving.step_tokens,
    )


def hash_tokens_of(config: Config, requests: Sequence[Request]) -> int:
    """Return the number of prompt tokens per hash.

    Args:
        config: Config.
        requests: All requests.

    Returns:
        `serving.prefix_hash_tokens`, else what the trace states, else that of Mooncake's traces.

    Raises:
        WorkloadInputError: If no request has hashes, or one has more than its prompt has tokens for.
    """
    tokens = config.serving.prefix_hash_tokens
    if tokens is None and isinstance(requests, RequestTrace):
        tokens = requests.hash_tokens
    tokens = tokens or MOONCAKE_HASH_TOKENS
    if not any(each.prefix_hashes for each in requests):
        raise WorkloadInputError(
            "serving.prefix_sharing: no request has prefix_hashes, so that nothing can be shared; set it to false"
        )
    for each in requests:
        if len(each.prefix_hashes) > -(-each.prompt_tokens // tokens):
            raise WorkloadInputError(
                f"request {each.id!r} has {len(each.prefix_hashes):,} prefix_hashes, but its {each.prompt_tokens:,} "
                f"prompt tokens have {-(-each.prompt_tokens // tokens):,} blocks of {tokens:,}; state the tokens per "
                "hash in serving.prefix_hash_tokens"
            )
    return tokens


def swap_space(config: Config, memory: PagedMemory | None) -> SwapSpace | None:
    """Build the memory for swapped KV caches of a config.

    Args:
        config: Config.
        memory: Its paged KV memory; None if it has none.

    Returns:
        The space; None if preempted requests are computed again.

    Raises:
        WorkloadInputError: If swaps do not suit the machine.
    """
    tier = config.serving.swap_tier
    if memory is None or config.serving.preemption != "swap" or tier is None:
        return None
    if config.serving.prefix_sharing:
        raise WorkloadInputError(
            "serving.preemption: a swap moves the blocks of one request, but serving.prefix_sharing shares them; set "
            "it to recompute"
        )
    if "memory" in config.machine.outside:
        raise WorkloadInputError(
            "serving.preemption: the rates of machine.outside.memory are not known, so that swaps have no time; set it "
            "to recompute"
        )
    if config.machine.chips.count > 1:
        raise WorkloadInputError(
            f"serving.preemption: swaps are modelled for one chip, and machine.chips.count is "
            f"{config.machine.chips.count}; set it to recompute"
        )
    return SwapSpace(tier, config.machine.memory, lambda entries: memory.blocks_for(entries) * memory.block_bytes)
