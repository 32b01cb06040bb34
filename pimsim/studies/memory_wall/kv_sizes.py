"""Sizes of the KV caches of a model by format and policy, and what each memory tier holds of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from pimsim.base.errors import WorkloadInputError
from pimsim.config.memory_tiers import MemoryTier, find_tier, memory_tiers
from pimsim.config.model_folders import folder_elsewhere, has_file, named_spec
from pimsim.studies.memory_wall.kv_sizes_result import KvSize, KvSizes, TierFit
from workloads.kv_cache import KvCacheSpec
from workloads.kv_entries import CODE_BITS, HALF_BITS, SCALE_BITS
from workloads.kv_policies import SHIPPED
from workloads.models import ModelSpec
from workloads.parameter_count import count_parameters
from workloads.shipped import network_folder
from workloads.workload_errors import WorkloadError

ALLOWED_BITS = (HALF_BITS, *CODE_BITS)

MAX_CONTEXT = 2**40
"""Largest context that is looked at, in tokens; a cache that fits then fits always."""
MAX_COUNTED = 2**17
"""Largest context that is looked at for a registered policy, whose kept tokens are counted one by one."""
MAX_BATCH = 2**40


def kv_sizes(
    model: str | ModelSpec,
    context: int,
    bits: Iterable[int | tuple[int, int]] = (16, 8, 4),
    *,
    keep: Iterable[str] | None = None,
    sinks: int = 0,
    recent: int | None = None,
    budget: int | None = None,
    batch: int = 1,
    tiers: Iterable[str | MemoryTier] | None = None,
    weights_in: Collection[str] = (),
    weight_bits: float | None = None,
    **formats: str | int | None,
) -> KvSizes:
    """Compute the size of the KV cache of a model by format and policy, and what memory tiers hold of it.

    Args:
        model: Name of a shipped model, path of a config.json or of its folder, or a shape.
        context: Tokens of a sequence.
        bits: Bits per element: 16, 8, 6, 4, 3 or 2, or a pair of those of keys and of values.
        keep: Policies: all, recent, heavy_hitters, random, or a registered one. None means all, and those whose numbers
            are given: recent with `recent`, heavy_hitters and random with `budget`.
        sinks: First tokens that a policy always keeps.
        recent: Newest tokens that a policy always keeps.
        budget: Tokens that heavy_hitters and random keep in all.
        batch: Sequences whose caches are held and read.
        tiers: Names of tiers, such as "hbm3" or "hbm3:5" for five units, or tiers; None means one unit of each.
        weights_in: Names of the tiers in which the weights of the model lie too, which leave less for caches.
        weight_bits: Bits per weight in these tiers; None: 16.
        formats: key_scales, value_scales, group_size and scale_bits, as in the section `workload.kv` of a config.

    Returns:
        Sizes, and for each size and tier the largest context and batch, and time and energy of reading it once.

    Raises:
        WorkloadInputError: If the model is unknown, or a number or policy is not valid.
        ConfigError: If a tier is unknown.

    Reference:
        docs/roofline.md, eq. (9) to (11); docs/kv-cache.md.

    Example:
        >>> found = kv_sizes("llama-3-70b", 131_072, [16])
        >>> found.sizes[0].bytes_per_token, found.sizes[0].sequence_bytes / 2**30
        (327680.0, 40.0)
    """
    spec, weights = _model(model)
    _check("context", context, MAX_CONTEXT)
    _check("batch", batch, MAX_BATCH)
    weight_bits = _weight_bits(weight_bits, weights_in)
    chosen = [each if isinstance(each, MemoryTier) else find_tier(each) for each in tiers or memory_tiers().values()]
    policies = list(keep) if keep is not None else _policies(recent, budget)
    _check_used(policies, sinks, recent, budget)
    _check_formats(formats)
    caches = [_cache(pair, policy, sinks, recent, budget, formats) for pair in map(_pair, bits) for policy in policies]
    sizes = [_size(spec, cache, context) for cache in dict.fromkeys(caches)]
    named = {find_tier(each).name for each in weights_in}
    if absent := named - {each.name for each in chosen}:
        raise WorkloadInputError(f"weights_in: {', '.join(sorted(absent))} is not among the tiers")
    weight_bytes = -(-int(weights * Fraction(weight_bits)) // 8)
    fits = [
        _fit(spec, size, tier, weight_bytes if tier.name in named else 0, context, batch)
        for size in sizes
        for tier in chosen
    ]
    return KvSizes(
        spec=spec,
        context=context,
        batch=batch,
        weights=weights,
        weight_bits=weight_bits,
        weight_bytes=weight_bytes,
        weights_in=tuple(each.name for each in chosen if each.name in named),
        tiers=tuple(chosen),
        sizes=tuple(sizes),
        fits=tuple(fits),
        notes=tuple(_notes(spec, context, policies)),
    )


def _model(model: str | ModelSpec) -> tuple[ModelSpec, int]:
    """Return the shape of a model and the number of its weights.

    Args:
        model: Name, path or shape.

    Returns:
        Shape, and weights.

    Raises:
        WorkloadInputError: If the model is unknown, or its file cannot be used.
    """
    if isinstance(model, ModelSpec):
        return model, _weights(model)
    try:
        spec = named_spec(model)
        if has_file(model):
            return spec, count_parameters(network_folder(model)).total
    except WorkloadError as error:
        raise WorkloadInputError(f"{error}{folder_elsewhere(model)}") from error
    return spec, _weights(spec)


def _weights(spec: ModelSpec) -> int:
    """Return projections, embedding and LM head of a shipped shape, which does not say whether the last two are one."""
    return spec.projection_weights + 2 * spec.vocab * spec.d_model


def _check(name: str, value: int, most: int) -> None:
    if type(value) is not int or not 1 <= value <= most:
        raise WorkloadInputError(f"{name}: must be an integer from 1 to {most:,}, not {value!r}")


def _weight_bits(bits: float | None, weights_in: Collection[str]) -> float:
    if bits is None:
        return 16
    if not 0 < bits <= 64:
        raise WorkloadInputError(f"weight_bits: must be above 0 and at most 64, not {bits:g}")
    if not weights_in:
        raise WorkloadInputError("weight_bits: has no effect without weights_in, the tiers that hold the weights")
    return bits


def _pair(bits: int | tuple[int, int]) -> tuple[int, int]:
    pair = bits if isinstance(bits, tuple) else (bits, bits)
    for each in pair:
        if each not in ALLOWED_BITS:
            raise WorkloadInputError(f"bits: {each!r} is not one of {', '.join(map(str, ALLOWED_BITS))}")
    return pair


def _check_formats(formats: Mapping[str, str | int | None]) -> None:
    """Check the bits of scales, and that groups are used if their size is given.

    Args:
        formats: What is given of the scales.

    Raises:
        WorkloadInputError: If a number is not allowed, or has no effect.
    """
    bits = formats.get("scale_bits", SCALE_BITS[-1])
    if bits not in SCALE_BITS:
        raise WorkloadInputError(f"scale_bits: {bits!r} is not one of {', '.join(map(str, SCALE_BITS))}")
    scales = {formats.get(key, "per_token") for key in ("key_scales", "value_scales")}
    if formats.get("group_size") is not None and scales == {"per_token"}:
        raise WorkloadInputError("group_size: has no effect with per_token scales; choose per_channel or per_group")


def _policies(recent: int | None, budget: int | None) -> Sequence[str]:
    """Return the policies whose numbers are given; recent tokens beside a budget belong to the budget."""
    if budget is not None:
        return ("all", "heavy_hitters", "random")
    return ("all", "recent") if recent is not None else ("all",)


def _check_used(policies: Sequence[str], sinks: int, recent: int | None, budget: int | None) -> None:
    """Check that some policy reads each number that is given, so that none is ignored in silence.

    Args:
        policies: The policies.
        sinks: First tokens that are always kept.
        recent: Newest tokens that are always kept.
        budget: Tokens that are kept in all.

    Raises:
        WorkloadInputError: If no policy reads one of them.
    """
    if all(each == "all" for each in policies):
        for name, value in (("sinks", sinks), ("recent", recent), ("budget", budget)):
            if value:
                needed = "give recent or budget, too" if name == "sinks" else "add the policy that reads it"
                raise WorkloadInputError(f"{name}: has no effect on a cache that keeps all tokens; {needed}")
    if budget is not None and all(each in ("all", "recent") for each in policies):
        raise WorkloadInputError(f"budget: has no effect on the policies {', '.join(policies)}; add heavy_hitters")


def _cache(
    bits: tuple[int, int],
    policy: str,
    sinks: int,
    recent: int | None,
    budget: int | None,
    formats: dict[str, str | int | None],
) -> KvCacheSpec:
    """Return the cache of one format and policy, without the numbers that the policy does not read.

    Args:
        bits: Bits of keys and of values.
        policy: Name of the policy.
        sinks: First tokens that are always kept.
        recent: Newest tokens that are always kept.
        budget: Tokens that are kept in all.
        formats: Scales and groups.

    Returns:
        The cache.

    Raises:
        WorkloadInputError: If the values contradict each other.
    """
    budgeted = policy not in ("all", "recent")
    try:
        return KvCacheSpec(
            key_bits=bits[0],
            value_bits=bits[1],
            keep=policy,
            sinks=0 if policy == "all" else sinks,
            recent=None if policy == "all" else recent,
            budget=budget if budgeted else None,
            **formats,  # type: ignore[arg-type] # the class checks the type of each
        )
    except (WorkloadError, TypeError) as error:
        # The class names itself and an instance, which has no name here.
        raise WorkloadInputError(f"KV cache: {str(error).removeprefix('KvCacheSpec None: ')}") from error


def _size(spec: ModelSpec, cache: KvCacheSpec, context: int) -> KvSize:
    try:
        sequence_bytes = cache.sequence_bytes(spec, context)
    except WorkloadError as error:
        raise WorkloadInputError(f"KV cache: {error}") from error
    every = replace(cache, keep="all", sinks=0, recent=None, budget=None)
    without_scales = replace(cache, scale_bits=0)
    return KvSize(
        cache=cache,
        kept=Fraction(sum(cache.kept(context, window) for window in spec.windows), spec.layers),
        bytes_per_token=float(_token_bits(spec, cache) / 8),
        sequence_bytes=sequence_bytes,
        scale_bytes=sequence_bytes - without_scales.sequence_bytes(spec, context),
        full_bytes=every.sequence_bytes(spec, context),
        mha_bytes=-(-every.sequence_bits(_multi_head(spec), context) // 8),
    )


def _multi_head(spec: ModelSpec) -> ModelSpec:
    """Return a model of this shape with keys and values for each query head.

    Of latent attention, they have the elements of the value of a head, without the rotated key, as in the comparison of
    arXiv:2405.04434, table 1.
    """
    if spec.latent is None:
        return replace(spec, kv_heads=spec.heads)
    return replace(spec, kv_heads=spec.heads, latent=None, d_head=spec.latent.d_value, d_rotary=None)


def _token_bits(spec: ModelSpec, cache: KvCacheSpec) -> Fraction:
    """Return the bits of a kept token in all layers; of scales that several tokens share, its fraction.

    Args:
        spec: The model.
        cache: The cache.

    Returns:
        Bits.

    Reference:
        docs/roofline.md, eq. (9).
    """
    unlimited = replace(cache, keep="all", sinks=0, recent=None, budget=None) if cache.keep == "recent" else cache
    grouped = cache.key.by_tokens or cache.value.by_tokens
    tokens = cache.group_size if grouped and cache.group_size else 1
    return Fraction(unlimited.sequence_bits(replace(spec, window=None), tokens), tokens)


def _fit(spec: ModelSpec, size: KvSize, tier: MemoryTier, weight_bytes: int, context: int, batch: int) -> TierFit:
    free_bytes = max(0, tier.capacity_bytes - weight_bytes)
    read_bytes = batch * size.sequence_bytes
    return TierFit(
        size=size,
        tier=tier,
        free_bytes=free_bytes,
        largest_context=largest_context(spec, size.cache, free_bytes // batch),
        largest_batch=free_bytes // size.sequence_bytes,
        fits=read_bytes <= free_bytes,
        read_s=tier.read_s(read_bytes),
        read_j=tier.read_j(read_bytes),
        context=context,
    )


def largest_context(spec: ModelSpec, cache: KvCacheSpec, capacity_bytes: int) -> int | None:
    """Return the largest context such that the cache of one sequence fits at all contexts up to it.

    Args:
        spec: The model.
        cache: Formats and policy of its cache.
        capacity_bytes: Bytes for one sequence.

    Returns:
        Tokens; 0 if not even one fits, and None if the cache fits at any context, as a window does. For a registered
        policy at most `MAX_COUNTED`.

    Reference:
        docs/roofline.md, eq. (10).
    """
    most = MAX_CONTEXT if cache.keep in SHIPPED else MAX_COUNTED
    if _largest_bytes(spec, cache, most) <= capacity_bytes:
        return None if cache.keep in SHIPPED else most
    fitting, too_large = 0, most
    while too_large - fitting > 1:
        middle = (fitting + too_large) // 2
        if _largest_bytes(spec, cache, middle) <= capacity_bytes:
            fitting = middle
        else:
            too_large = middle
    return fitting


def _largest_bytes(spec: ModelSpec, cache: KvCacheSpec, tokens: int) -> int:
    """Return the largest size of a cache up to a context, which does not decrease with it.

    A cache only shrinks where a group of tokens becomes complete and gets its codes (per_channel), or where a window
    leaves the sinks behind.
    """
    candidates = {tokens}
    if (cache.key.by_tokens or cache.value.by_tokens) and cache.group_size:
        complete = tokens // cache.group_size * cache.group_size
        candidates.add(max(1, complete - 1))
    candidates |= {min(tokens, window) for window in spec.windows if window is not None and cache.sinks}
    return max(cache.sequence_bytes(spec, each) for each in candidates)


def _notes(spec: ModelSpec, context: int, policies: Collection[str]) -> Iterator[str]:
    if spec.positions is not None and context > spec.positions:
        yield f"the model has learned positions for {spec.positions:,} tokens only"
    windows = sorted({each for each in spec.windows if each is not None})
    if windows:
        shown = ", ".join(f"{each:,}" for each in windows)
        yield f"layers with a window of {shown} tokens keep no others, whatever the policy"
    if registered := [each for each in policies if each not in SHIPPED]:
        yield f"the largest context of {', '.join(registered)} is looked for up to {MAX_COUNTED:,} tokens"
