"""Policies of a KV cache: which tokens it keeps. The shipped ones, and those that other packages register.

A registered policy decides by positions only. It is a function that returns the positions which the cache keeps once a
sequence has a number of tokens.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from workloads.checked_fields import shorten, suggest
from workloads.workload_errors import SpecError

if TYPE_CHECKING:
    from workloads.kv_cache import KvCacheSpec

SHIPPED = ("all", "recent", "heavy_hitters", "random")
"""Policies of this package: every token; the newest ones; the most attended ones; random ones."""

BUDGETED = ("heavy_hitters", "random")
"""Shipped policies that need a budget."""

KeptPositions = Callable[["KvCacheSpec", int], Sequence[int]]
"""Function of the section `workload.kv` and of the number of tokens n of a sequence. It returns the positions of the
kept tokens, integers from 0 to n - 1 in increasing order. The newest position n - 1 is among them, and each of the
others is among the kept ones of n - 1 tokens, since a dropped token does not come back."""

_CHECKED = 64
_policies: dict[str, KeptPositions] = {}
REGISTERED: Mapping[str, KeptPositions] = MappingProxyType(_policies)
"""The registered policies by name."""


class _Search:
    """Where else policies are looked for."""

    def __init__(self) -> None:
        self.find: Callable[[str], object] = lambda name: None


_search = _Search()


def register_policy(name: str, positions: KeptPositions) -> None:
    """Register a policy, so that `KvCacheSpec.keep` can name it. The same call may be repeated.

    Args:
        name: Its name.
        positions: The function of the policy.

    Raises:
        ValueError: If it is not a function, or if the name belongs to another policy.
    """
    if not callable(positions):
        raise ValueError(f"the KV policy {name!r} must be a function of a KvCacheSpec and a number of tokens")
    if name in SHIPPED or _policies.get(name, positions) is not positions:
        raise ValueError(f"the KV policy {name!r} is already registered")
    _policies[name] = positions


def withdraw_policy(name: str) -> None:
    """Remove a registered policy, because the code that registered it failed.

    Args:
        name: Its name; nothing happens if it is not registered.
    """
    _policies.pop(name, None)
    kept_positions.cache_clear()


def search_policies(find: Callable[[str], object]) -> None:
    """Set what is called before a policy is reported as unknown.

    Args:
        find: Function of the name, which registers the policies of installed packages.
    """
    _search.find = find


@lru_cache(maxsize=_CHECKED)
def kept_positions(kv: "KvCacheSpec", tokens: int) -> tuple[int, ...]:
    """Return the positions that a registered policy keeps, checked.

    Args:
        kv: The cache, whose `keep` names the policy.
        tokens: Number of tokens of the sequence so far.

    Returns:
        Increasing positions from 0 to `tokens - 1`, the last one included.

    Raises:
        SpecError: If the policy is not registered, or returns something else.
    """
    if kv.keep not in _policies:
        _search.find(kv.keep)
    if kv.keep not in _policies:
        names = (*SHIPPED, *_policies)
        raise SpecError(f"keep must be one of {', '.join(names)}, not {kv.keep!r}{suggest(kv.keep, names)}")
    found = tuple(_policies[kv.keep](kv, tokens))
    if not all(type(each) is int for each in found) or not _is_increasing(found, tokens):
        raise SpecError(
            f"the KV policy {kv.keep!r} returns {shorten(found)} for {tokens} tokens: it must return increasing "
            f"positions (int) from 0 to {tokens - 1}, and the last one must be {tokens - 1}, the token's own"
        )
    return found


def _is_increasing(found: tuple[int, ...], tokens: int) -> bool:
    ordered = all(low < high for low, high in pairwise(found))
    return bool(found) and ordered and found[0] >= 0 and found[-1] == tokens - 1
