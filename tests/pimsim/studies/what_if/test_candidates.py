"""Candidates: every key exists, and a change is one of known size or is not tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pimsim import load_config
from pimsim.steps.step_tree import PARTS
from pimsim.studies.what_if.candidates import (
    CANDIDATES,
    Candidate,
    KeyChange,
    changed_config,
    fewer_bits,
    instead_of,
    times,
    to,
)

TREE: dict[str, Any] = {"a": {"count": 4, "rate_hz": 1.5, "none": None, "energy_j": 2.0}, "b": None}


def value_at(tree: object, key: str) -> object:
    for step in key.split("."):
        assert isinstance(tree, Mapping), key
        tree = tree[step]
    return tree


def test_every_key_is_a_key_of_the_config() -> None:
    tree = load_config("pim-llm").model_dump()
    tree["machine"]["roofline"] = load_config("a100-80gb").model_dump()["machine"]["roofline"]
    for candidate in CANDIDATES:
        for key in (candidate.key, *(key for key, _ in (*candidate.together, *candidate.along))):
            value_at(tree, key)
        assert set(candidate.parts) <= set(PARTS)


def test_a_candidate_changes_its_keys_and_the_constants_that_follow() -> None:
    candidate = Candidate(
        "a.count", times(2), (), (("a.rate_hz", times(0.5)),), (("a.energy_j", times(2)), ("a.none", times(2)))
    )
    assert candidate.changes(TREE) == (
        KeyChange("a.count", 4, 8),
        KeyChange("a.rate_hz", 1.5, 0.75),
        KeyChange("a.energy_j", 2.0, 4.0, follows=True),
    )


@pytest.mark.parametrize(
    ("key", "change"),
    [("a.missing", to(1)), ("b.count", to(1)), ("a.count", to(4)), ("a.none", times(2)), ("a", instead_of("x", "y"))],
)
def test_there_is_nothing_to_try_without_a_key_or_a_new_value(key: str, change: Any) -> None:
    assert Candidate(key, change).changes(TREE) == ()


def test_integers_stay_integers() -> None:
    assert (times(0.5)(4), times(2)(1.5), times(0.25)(4)) == (2, 3.0, 1)
    assert type(times(0.5)(4)) is int
    with pytest.raises(ValueError, match="not an integer"):
        times(1 / 32)(4)
    assert (fewer_bits(6), fewer_bits(1)) == (5, 1)
    assert (instead_of(8, 2)(8), instead_of(8, 2)(4)) == (2, 4)


def test_shapes_keep_the_number_of_units() -> None:
    tree = load_config("pim-llm").model_dump()
    shapes = [each.changes(tree) for each in CANDIDATES if each.together and "systolic" in each.key]
    assert shapes
    for changes in shapes:
        before, after = 1, 1
        for change in changes:
            before, after = before * change.before, after * change.after
        assert before == after == 32 * 32


def test_fewer_bits_of_the_cache_are_those_of_keys_and_values() -> None:
    [candidate] = [each for each in CANDIDATES if each.key == "workload.kv.key_bits"]
    config = load_config("pim-llm")
    narrow = load_config("pim-llm", ["workload.kv.key_bits=4", "workload.kv.value_bits=4"])
    assert changed_config(config, candidate.changes(config.model_dump())) == narrow
    assert candidate.changes(narrow.model_dump()) == ()


def test_a_changed_config_is_valid_and_the_old_one_stays() -> None:
    config = load_config("pim-llm")
    changed = changed_config(config, (KeyChange("machine.systolic.rows", 32, 64),))
    assert (config.machine.systolic.rows, changed.machine.systolic.rows) == (32, 64)
    assert changed == load_config("pim-llm", ["machine.systolic.rows=64"])
    with pytest.raises(ValueError, match="rows"):
        changed_config(config, (KeyChange("machine.systolic.rows", 32, 0),))
