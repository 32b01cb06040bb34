"""Shapes of attention within a block of a trace: what is appended must be what attention reads, and so on."""

from collections.abc import Iterator, Mapping, Sequence

from workloads.expert_ops import GroupedProjection
from workloads.kv_ops import KVEvict
from workloads.latent_ops import CachedLatents, LatentAppend, LatentScores, LatentValues, ScratchWrite
from workloads.op_base import Op
from workloads.ops import AttentionMatmul, AttentionScores, AttentionValues, KVAppend, Projection


def cache_problems(ops: Sequence[Op]) -> Iterator[str]:
    """Compare the shapes of the ops of a block that append to the KV cache and of those that read what they append.

    Args:
        ops: The ops, in order.

    Yields:
        One message per op whose shape does not match the append that it names as an input.
    """
    appends = {op.name: op for op in ops if isinstance(op, KVAppend | LatentAppend)}
    for op in ops:
        for name in op.inputs:
            if name in appends and (text := _mismatch(op, appends[name])):
                yield f"op {op.name!r} {text} (op {name!r})"


def product_problems(ops: Sequence[Op]) -> Iterator[str]:
    """Compare the shapes of matrix products of attention with those of the products whose results they read.

    Args:
        ops: The ops, in order.

    Yields:
        One message per op that does not match an earlier one.

    Reference:
        docs/experts.md, eq. (4).
    """
    named = {op.name: op for op in ops}
    nearest: dict[str, Op] = {}  # by op: itself if it is a matrix product, else the product whose results it passes on
    chosen: set[str] = set()  # ops behind the choice of the tokens that a prompt keeps (heavy hitters)
    for op in ops:
        sources = _products(op, nearest)
        source = sources[0] if sources else None
        text = None
        if isinstance(op, AttentionValues) and isinstance(source, AttentionScores):
            text = _values_problem(op, source, op.inputs[0] in chosen) or _scratch_problem(op, source, named)
        elif isinstance(op, LatentScores) and isinstance(source, GroupedProjection) and not op.expanded:
            if queries := _queries_problem(op, source, named, next(iter(_products(source, nearest)), None)):
                yield f"op {source.name!r} {queries}"
        elif isinstance(op, GroupedProjection) and isinstance(source, LatentValues) and not source.expanded:
            if op.in_features != source.d_head:
                text = f"has in_features {op.in_features}, which must be rank, {source.d_head} (op {source.name!r})"
        elif isinstance(op, Projection) and isinstance(source, GroupedProjection):
            made = source.matrices * source.out_features
            of_sums = any(isinstance(each, LatentValues) for each in _products(source, nearest))
            if of_sums and op.in_features != made:
                text = f"has in_features {op.in_features}, which must be the {made} outputs of op {source.name!r}"
        if text:
            yield f"op {op.name!r} {text}"
        if isinstance(op, Projection | AttentionMatmul):
            nearest[op.name] = op
        elif sources:
            nearest[op.name] = sources[-1]
            if isinstance(op, KVEvict) or any(name in chosen for name in op.inputs):
                chosen.add(op.name)


def _products(op: Op, nearest: Mapping[str, Op]) -> list[Op]:
    return [nearest[name] for name in op.inputs if name in nearest]


def _values_problem(op: AttentionValues, scores: AttentionScores, chosen: bool) -> str | None:
    """Return what differs between weighted sums and their scores; `chosen`: heavy hitters of a prompt are fewer."""
    for key in ("heads", "queries", "sequences", "context"):
        found, wanted = getattr(op, key), getattr(scores, key)
        if found != wanted and not (key == "context" and chosen and found < wanted):
            return f"has {key} {found}, which must be {key} of the scores, {wanted} (op {scores.name!r})"
    return None


def _scratch_problem(op: AttentionValues, scores: AttentionScores, named: Mapping[str, Op]) -> str | None:
    """Return what differs between expanded keys and values and their write to memory."""
    for name in op.inputs:
        write = named.get(name)
        if isinstance(write, ScratchWrite) and write.elements != (wanted := op.heads * (scores.d_head + op.d_head)):
            return (
                f"and {scores.name!r} read {wanted} elements of a token, heads x (d_head of both), and "
                f"{write.elements} are written (op {name!r})"
            )
    return None


def _queries_problem(
    scores: LatentScores, absorbed: GroupedProjection, named: Mapping[str, Op], query: Op | None
) -> str | None:
    """Return what is wrong with the matrices that are multiplied into the queries of absorbed attention."""
    append = next((each for name in scores.inputs if isinstance(each := named.get(name), LatentAppend)), None)
    if append is None:
        return None
    if absorbed.out_features != append.rank:
        return f"has out_features {absorbed.out_features}, which must be rank of the cache, {append.rank}"
    if absorbed.matrices != scores.heads:
        return f"has {absorbed.matrices} matrices, which must be heads, {scores.heads} (op {scores.name!r})"
    if not isinstance(query, Projection) or isinstance(query, GroupedProjection):
        return None
    d_query, rest = divmod(query.out_features, scores.heads)
    if not rest and absorbed.in_features == d_query - append.d_rope:
        return None
    return (
        f"has in_features {absorbed.in_features}, which must be d_nope, {d_query - append.d_rope}: op {query.name!r} "
        f"makes {scores.heads} queries of {d_query} elements, of which {append.d_rope} are rotated"
    )


def _mismatch(op: Op, append: KVAppend | LatentAppend) -> str | None:
    """Return what does not match, with the numbers of both ops; None if the op reads what is appended."""
    of_latents = isinstance(append, LatentAppend)
    if isinstance(op, CachedLatents):
        if not of_latents:
            return "reads latents, and the cache has keys and values"
        assert isinstance(append, LatentAppend)
        if (op.rank, op.d_rope) == (append.rank, append.d_rope):
            return None
        given = f"latents of {append.rank} + {append.d_rope} elements"
        return f"reads latents of {op.rank} + {op.d_rope} elements, and the cache has {given}"
    if not isinstance(op, AttentionMatmul):
        return None
    if isinstance(op, LatentScores | LatentValues) and of_latents:
        assert isinstance(append, LatentAppend)
        wanted = append.rank + (append.d_rope if isinstance(op, LatentScores) else 0)
        parts = "rank + d_rope" if isinstance(op, LatentScores) else "rank"
        return None if op.d_head == wanted else f"has d_head {op.d_head}, which must be {parts} of the cache, {wanted}"
    if of_latents:
        return f"is of kind {op.kind}, and the cache has latents, which latent_scores and latent_values read"
    assert isinstance(append, KVAppend)
    if (op.kv_heads, op.d_head) == (append.kv_heads, append.d_head):
        return None
    found, given = f"{op.kv_heads} x {op.d_head}", f"{append.kv_heads} x {append.d_head}"
    return f"reads a cache of {found} (kv_heads x d_head), and the cache has {given}"
