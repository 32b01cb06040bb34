"""Groups of kernels cover all parts."""

from __future__ import annotations

from pimsim.base.kernel_groups import GROUPS, kernel_parts


def test_each_part_is_in_one_group() -> None:
    parts = kernel_parts()
    assert {part.group for part in parts} == set(GROUPS)
    by_group = [part for group in GROUPS for part in kernel_parts([group])]
    assert sorted(part.name for part in by_group) == sorted(part.name for part in parts)
