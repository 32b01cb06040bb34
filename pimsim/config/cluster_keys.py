"""Checks of the keys of a system file that say how its machines serve requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pimsim.base.errors import Problem, did_you_mean, show
from pimsim.config.schema.system_section import MAX_MACHINES, ROLES, ClusterSection, SystemSection

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")

MAX_KINDS = 64
"""Largest number of different machines: their configs are a text of a result file."""

SERVING_SPLITS = ("phases", "replicas")
"""Values of `split` whose machines serve requests as whole machines; those of the others serve as one."""


def roles_of(spec: SystemSection) -> tuple[str, ...]:
    """Return the roles that a system must have.

    Args:
        spec: The file.

    Returns:
        Those of its split; for replicas the names that the file gives them.
    """
    return ROLES[spec.split] or tuple(spec.machines)


def cluster_problems(spec: SystemSection, tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Find keys that do not fit the split, or each other.

    Args:
        spec: The file.
        tree: The same as nested dicts, which tell given keys from defaults.

    Yields:
        One problem per key.
    """
    given = tree.get("cluster") or {}
    if spec.split == "replicas":
        yield from _replica_problems(spec)
        if "link" in tree:
            yield Problem("link", "", "has no effect with split: replicas, whose machines exchange nothing")
    elif spec.link is None:
        yield Problem("link", "", "this key is missing")
    if given and spec.split not in SERVING_SPLITS:
        message = f"has no effect with split: {spec.split}, whose machines serve each request together"
        yield Problem("cluster", "", message)
        return
    if spec.split != "phases":
        for key in ("decode_routing", "ports"):
            if key in given:
                message = f"has no effect with split: {spec.split}; only split: phases reads it"
                yield Problem(f"cluster.{key}", show(given[key]), message)
    random = "random" in (spec.cluster.routing, spec.cluster.decode_routing)
    if "seed" in given and not random:
        yield Problem("cluster.seed", show(given["seed"]), "has no effect without routing: random")
    roles = roles_of(spec)
    for role in spec.cluster.replicas:
        if role not in roles:
            message = f"is not a role of this system, which has {' and '.join(roles)}"
            yield Problem(f"cluster.replicas.{role}", "", message, did_you_mean(role, roles))
    if (count := sum(machine_counts(spec.cluster, roles).values())) > MAX_MACHINES:
        yield Problem("cluster.replicas", "", f"add up to {count:,} machines; at most {MAX_MACHINES:,} are simulated")


def _replica_problems(spec: SystemSection) -> Iterator[Problem]:
    if not spec.machines:
        yield Problem("machines", "{}", "is empty: split: replicas needs at least one machine")
    if len(spec.machines) > MAX_KINDS:
        message = f"has {len(spec.machines):,} names; at most {MAX_KINDS}: cluster.replicas counts equal machines"
        yield Problem("machines", "", message)
    for name in spec.machines:
        if not _NAME.fullmatch(name):
            message = "is not a name of a machine: a letter, then up to 39 letters, digits, - and _"
            yield Problem("machines", show(name), message)


def machine_counts(cluster: ClusterSection, roles: tuple[str, ...]) -> dict[str, int]:
    """Return the number of equal machines of each role.

    Args:
        cluster: Section `cluster` of the system.
        roles: Roles of the system.

    Returns:
        Numbers by role, in the order of the roles.
    """
    return {role: cluster.replicas.get(role, 1) for role in roles}
