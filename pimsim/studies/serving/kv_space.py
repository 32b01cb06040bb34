"""Memory that is left for KV caches in serving: the capacity without weights and activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config, ServingConfig
from pimsim.mapping.buffer_capacity import check_buffers
from pimsim.mapping.memory_footprint import (
    MemoryFootprint,
    check_memory_capacity,
    memory_footprints,
    spilled_activations,
)
from pimsim.mapping.pass_options import counted_options
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.studies.serving.policies import MIXED_POLICIES, SHIPPED_POLICIES
from workloads.decoder_ops import decode_step
from workloads.models import ModelSpec
from workloads.requests import Request
from workloads.trace import Block, Trace
from workloads.workload_errors import WorkloadError


@dataclass(frozen=True, slots=True)
class KVSpace:
    """Memory for KV caches.

    Attributes:
        capacity_bytes: Bytes for the KV caches of all sequences, on all chips together; None means no limit.
        weight_bytes: Weights in the memory that limits them.
        activation_bytes: Space in that memory for activations that exceed the global buffer.
    """

    capacity_bytes: int | None
    weight_bytes: int = 0
    activation_bytes: int = 0


def kv_space(config: Config, spec: ModelSpec, requests: Sequence[Request]) -> KVSpace:
    """Compute the memory that weights and activations leave for KV caches.

    Space for activations is reserved for the largest iteration that the limits of the scheduler allow. On several
    chips, the KV caches are distributed as the layers are, and the first memory that is full limits them.

    Args:
        config: Machine and limits.
        spec: The model.
        requests: All requests.

    Returns:
        The space; without a limit if the memory has no capacity.

    Raises:
        WorkloadInputError: If the model has no trace.
        CapacityError: If weights and activations do not fit, or the machine has too few tiles.

    Reference:
        docs/serving.md, "Memory".
    """
    capacity = config.machine.memory.capacity_bytes
    if capacity is None or "memory" in config.machine.outside:
        return KVSpace(None)
    tokens = largest_iteration(config.serving, requests)
    outputs = min(config.serving.max_batch, len(requests)) * config.serving.step_tokens
    chips = serving_footprints(config, spec, tokens, outputs)
    check_memory_capacity(config.machine, spec.name, [replace(each, kv_bytes=0) for each in chips])
    total_kv = sum(each.kv_bytes for each in chips)
    spaces = [_space_of(each, total_kv, capacity) for each in chips if each.kv_bytes]
    return min(spaces, key=lambda each: each.capacity_bytes or 0)


def serving_footprints(config: Config, spec: ModelSpec, tokens: int, outputs: int) -> tuple[MemoryFootprint, ...]:
    """Compute what the memory of each chip holds in an iteration, with the KV caches of one token.

    Args:
        config: Machine and mapping.
        spec: The model.
        tokens: Tokens that the iteration processes.
        outputs: Sequences that produce a token. The LM head processes only the last token of each sequence.

    Returns:
        One footprint per chip that holds layers, in order.

    Raises:
        WorkloadInputError: If the model has no trace.
        CapacityError: If the machine has too few tiles.
    """
    trace = _token_trace(config, spec)
    return memory_footprints(config, trace, plan_tiles(config, trace), _vectors(tokens, outputs))


def serving_spills(config: Config, spec: ModelSpec, shapes: Mapping[tuple[int, int], int]) -> int:
    """Compute the activations that exceed the global buffer, summed over all layers of all iterations.

    Args:
        config: Machine and mapping.
        spec: The model.
        shapes: Number of iterations by their tokens and the sequences that produce a token.

    Returns:
        Bytes.

    Raises:
        WorkloadInputError: If the model has no trace.
        CapacityError: If the machine has too few tiles.
    """
    trace = _token_trace(config, spec)
    spilled = spilled_activations(config, trace, plan_tiles(config, trace))
    return sum(count * spilled(_vectors(*shape)) for shape, count in shapes.items())


def _token_trace(config: Config, spec: ModelSpec) -> Trace:
    try:
        return decode_step(spec, 1, **counted_options(config))
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error


def _vectors(tokens: int, outputs: int) -> Callable[[Block], int]:
    return lambda block: outputs if block.name == "lm_head" else tokens


def check_longest_context(config: Config, spec: ModelSpec, requests: Sequence[Request]) -> None:
    """Check, before any iteration, that the global buffer holds every vector of the longest context.

    Args:
        config: Machine and mapping.
        spec: The model.
        requests: All requests.

    Raises:
        WorkloadInputError: If the model has no trace of this context.
        CapacityError: If the global buffer is too small, or the machine has too few tiles.
        ConfigError: If a buffer is smaller than one access.
    """
    try:
        trace = decode_step(spec, max(each.kv_entries for each in requests), **counted_options(config))
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error
    check_buffers(config, trace, plan_tiles(config, trace))


def _space_of(chip: MemoryFootprint, total_kv: int, capacity: int) -> KVSpace:
    """Return the KV caches of all chips that fill what is left on one of them.

    Args:
        chip: Footprint of the chip, with the KV caches of one token.
        total_kv: KV caches of one token on all chips, bytes.
        capacity: Capacity of the memory of a chip, bytes.

    Returns:
        The space.
    """
    left = capacity - chip.weight_bytes - chip.activation_bytes
    return KVSpace(left * total_kv // chip.kv_bytes, chip.weight_bytes, chip.activation_bytes)


def largest_iteration(limits: ServingConfig, requests: Sequence[Request]) -> int:
    """Return an upper bound of the tokens that one iteration processes.

    Args:
        limits: Policy, batch and prompt tokens per iteration.
        requests: All requests.

    Returns:
        Number of tokens.
    """
    registered = limits.policy not in SHIPPED_POLICIES
    mixed = limits.policy in MIXED_POLICIES
    # After a preemption, which a registered policy or pages can ask for, output tokens are processed again.
    again = registered or limits.kv_block_tokens is not None
    lengths = (each.kv_entries if again else each.prompt_tokens for each in requests)
    prompts = sorted(lengths, reverse=True)
    together = sum(prompts[: limits.max_batch])
    if limits.prefill_tokens is None:
        prefill = together
    elif mixed:
        prefill = min(together, limits.prefill_tokens)
    else:
        prefill = min(together, max(prompts[0], limits.prefill_tokens))
    batch = min(limits.max_batch, len(prompts))
    decode = batch * limits.step_tokens
    return max(decode, prefill + (decode if registered or mixed else 0))
