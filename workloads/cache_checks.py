"""Shapes of the KV cache within a block of a trace: what is appended must be what attention reads."""

from collections.abc import Iterator, Sequence

from workloads.latent_ops import CachedLatents, LatentAppend, LatentScores, LatentValues
from workloads.op_base import Op
from workloads.ops import AttentionMatmul, KVAppend


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
