"""Registration of KV policies from outside the package, which `workload.kv.keep` then names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from pimsim.base.outside_code import calling
from pimsim.config.schema.registered_names import KV_POLICIES
from workloads.kv_cache import KvCacheSpec
from workloads.kv_policies import REGISTERED, KeptPositions, register_policy, search_policies


def register_kv_policy(name: str, positions: KeptPositions) -> None:
    """Register a policy of the KV cache under a name. The same call may be repeated.

    Args:
        name: Name by which `workload.kv.keep` selects it.
        positions: Function of the `KvCacheSpec` of a run (`workloads.kv_cache`) and of the number of tokens n of a
            sequence. It returns the positions that the cache keeps: increasing integers from 0 to n - 1, the newest one
            among them. The others are among those that it returns for n - 1: a dropped token does not come back.

    Raises:
        ValueError: If it is not a function, or the name is invalid or belongs to another policy.
    """
    if not callable(positions):
        raise ValueError(f"the KV policy {name!r} must be a function of a KvCacheSpec and a number of tokens")
    KV_POLICIES.register(name, positions)  # first, since it may refuse the name
    if name not in REGISTERED:
        register_policy(name, _called(name, positions))


def _called(name: str, positions: KeptPositions) -> KeptPositions:
    """Return a policy whose exceptions name it and its file."""

    def call(kv: KvCacheSpec, tokens: int) -> Sequence[int]:
        with calling(KV_POLICIES.describe(name)):
            return tuple(islice(positions(kv, tokens), tokens + 1))

    return call


search_policies(lambda name: KV_POLICIES.knows(name))
