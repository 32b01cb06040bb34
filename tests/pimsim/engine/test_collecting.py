"""Searches for unused objects are rarer during a run, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from pimsim.engine.collecting import NEW_OBJECTS, few_collections


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(("before", "during"), [(700, NEW_OBJECTS), (0, 0), (2 * NEW_OBJECTS, 2 * NEW_OBJECTS)])
def test_only_a_smaller_number_is_changed_and_it_is_restored(before: int, during: int) -> None:
    gc.set_threshold(before, 11, 12)
    with pytest.raises(KeyError), few_collections():
        assert gc.get_threshold() == (during, 11, 12)
        raise KeyError
    assert gc.get_threshold() == (before, 11, 12)
