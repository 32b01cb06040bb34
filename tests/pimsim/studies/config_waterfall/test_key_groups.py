"""Groups of keys: each key exists, has one group and a reason, and the longest match counts."""

from __future__ import annotations

from collections import Counter

import pytest

from pimsim.config.loading import load_config
from pimsim.studies.config_waterfall.key_groups import KEY_GROUPS, group_of


def test_every_key_of_a_group_exists() -> None:
    tree = load_config("defaults").model_dump(mode="json")
    for group in KEY_GROUPS:
        for name in group.reasons:
            section = tree
            for step in name.removesuffix(".*").split("."):
                assert step in section, name
                section = section[step]
            assert isinstance(section, dict) or not name.endswith(".*"), name


def test_no_key_has_two_groups_and_titles_are_unique() -> None:
    names = Counter(name for group in KEY_GROUPS for name in group.reasons)
    assert {name for name, times in names.items() if times > 1} == set()
    assert len({group.title for group in KEY_GROUPS}) == len(KEY_GROUPS)
    assert all(group.title and all(group.reasons.values()) for group in KEY_GROUPS)


@pytest.mark.parametrize(
    ("key", "title", "reason"),
    [
        ("leakage_gating", "leakage", "leakage that is charged"),
        ("machine.crossbar.pair.adc.bits", "ADC", "energy, rate and area at the bits of the ADC"),
        (
            "machine.crossbar.pair.adc.series",
            "ADC",
            "whether these figures follow from a design of other bits, and how",
        ),
        ("machine.memory.channels", "memory", "bandwidth and energy of the memory outside the chip"),
        ("machine.mesh", "place of the projections", "network of the tiles"),
        ("machine.mesh.rows", None, ""),  # the section has a group, this key of it does not
        ("schedule", None, ""),
    ],
)
def test_a_key_has_its_own_group_or_that_of_its_section(key: str, title: str | None, reason: str) -> None:
    group, found = group_of(key)
    assert (group and group.title, found) == (title, reason)
