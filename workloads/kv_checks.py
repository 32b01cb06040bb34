"""What a KV cache's parameters contradict, and what a result says about its policy."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from workloads.kv_entries import HALF_BITS
from workloads.kv_policies import BUDGETED

if TYPE_CHECKING:
    from workloads.kv_cache import KvCacheSpec

LEFT_OUT_OF_HEAVY_HITTERS = (
    "heavy hitters are counted with their sums, choices and additions; left out are the table of the positions of kept "
    "tokens, and in a prompt the wait of each token for the choice of the one before it"
)


def contradictions(kv: "KvCacheSpec") -> Iterator[str]:
    """Check the parameters of the policy and the groups that share scales.

    Args:
        kv: The cache, whose values are in range.

    Yields:
        A message per contradiction.
    """
    grouped = [each.scales for each in (kv.key, kv.value) if each.bits != HALF_BITS]
    if kv.group_size is None and (needing := [each for each in grouped if each != "per_token"]):
        yield f"group_size is needed for {needing[0]} scales, and is null"
    if kv.keep == "recent" and kv.recent is None:
        yield "recent is needed by keep: recent (the number of newest tokens), and is null"
    if kv.keep in BUDGETED:
        if kv.budget is None:
            yield f"budget is needed by keep: {kv.keep} (the number of tokens kept in all), and is null"
        elif kv.budget < kv.sinks + kv.newest:
            yield (
                f"budget must be at least sinks + recent, {kv.sinks + kv.newest}, which are always kept, not "
                f"{kv.budget}"
            )
    if kv.keep not in ("all", "recent") and "per_channel" in grouped:
        yield (
            f"per_channel scales need kept tokens that follow one another, and keep: {kv.keep} drops tokens "
            "inside a group; use per_token or per_group scales, or keep: all or recent"
        )


def notes_at(kv: "KvCacheSpec", context: int) -> tuple[str, ...]:
    """Return what a result at a context should say about the policy.

    Args:
        kv: The cache.
        context: Largest number of tokens of a sequence.

    Returns:
        One sentence each.
    """
    limit = kv.budget if kv.keep in BUDGETED else kv.sinks + (kv.recent or 0)
    if kv.keep in ("recent", *BUDGETED) and limit is not None and limit >= context:
        sums = ", and their attention is added up for the first choice" if kv.sums_attention else ""
        return (f"workload.kv keeps {limit:,} tokens, and the context is {context:,}: all tokens are kept{sums}",)
    if kv.sums_attention:
        return (LEFT_OUT_OF_HEAVY_HITTERS,)
    return ()
