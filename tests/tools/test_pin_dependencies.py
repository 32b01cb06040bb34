"""constraints.txt has one version of each package for each Python, inside the ranges of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tools.pin_dependencies import FILE, PYTHONS, declared, lines, pins, problems

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("python", PYTHONS)
def test_every_declared_dependency_has_a_pin_in_its_range(python: str) -> None:
    requirements = declared(PROJECT)
    assert problems(FILE.read_text(encoding="utf-8"), requirements, python) == []
    assert len(pins(FILE.read_text(encoding="utf-8"), python)) > 2 * len(requirements), "indirect ones have pins too"


def test_the_file_names_no_address_and_no_option_of_pip() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert not re.search(r"://|@|^\s*-|--", text, re.MULTILINE)


def test_declared_are_the_build_pimsim_and_its_extras_but_not_pimsim_itself() -> None:
    project = {
        "build-system": {"requires": ["hatchling>=1"]},
        "project": {
            "name": "pimsim",
            "dependencies": ["numpy>=1.26"],
            "optional-dependencies": {"a": ["rich", "numpy>=1.26"], "b": ["pimsim[a]"], "mutants": ["cosmic-ray"]},
        },
    }
    assert declared(project) == ["hatchling>=1", "numpy>=1.26", "rich"]


def test_a_version_that_is_not_the_same_everywhere_gets_a_marker() -> None:
    made = lines({"3.11": {"a": "1", "b": "2", "c": "5"}, "3.12": {"a": "1", "b": "3"}})
    assert made == ["a==1", 'b==2 ; python_version == "3.11"', 'b==3 ; python_version == "3.12"', "c==5"]
    assert pins("\n".join(made), "3.12") == {"a": "1", "b": "3", "c": "5"}


def test_pins_that_are_missing_or_outside_a_range_are_named() -> None:
    wanted = ["numpy>=2,<3", "Rich<16", "simpy", "tomli; python_version < '3.11'"]
    assert problems("numpy==1.26.4\nrich==15.0\n", wanted, "3.12") == [
        "Python 3.12: numpy==1.26.4 is outside <3,>=2",
        "Python 3.12: simpy has no pin",
    ]


@pytest.mark.parametrize("line", ["numpy>=2", "numpy==2.*", "numpy", "numpy @ https://example.org/numpy.whl"])
def test_anything_but_one_version_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a pin"):
        pins(line, "3.12")


def test_two_versions_of_a_package_are_refused() -> None:
    with pytest.raises(ValueError, match="two versions"):
        pins('numpy==2.1 ; python_version >= "3.12"\nnumpy==2.2', "3.12")
