"""Registration of KV policies from outside the package, which `workload.kv.keep` then names."""

from __future__ import annotations

from pimsim.config.schema.registered_names import KV_POLICIES
from workloads.kv_policies import KeptPositions, register_policy, search_policies


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
    register_policy(name, positions)


search_policies(lambda name: KV_POLICIES.knows(name))
