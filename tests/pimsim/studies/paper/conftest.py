"""One study for all tests of the paper's tables: its runs take most of their time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pimsim.studies.paper import reproduce
from pimsim.studies.paper.comparison_table import Table
from pimsim.studies.paper.paper_runs import Study


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one worker, so that a parallel run makes the fixtures below once."""
    for item in items:
        if "tests/pimsim/studies/paper/" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("paper"))


@pytest.fixture(scope="session")
def study() -> Study:
    return Study()


@pytest.fixture(scope="session")
def tables() -> Mapping[str, Table]:
    return reproduce()
