"""A registry by itself: names, repeated registrations, entry points and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest

from pimsim.base.errors import ConfigError, PluginError
from pimsim.base.registries import Registry, loaded_packages, registering
from tests.support.registries import restored_registries
from workloads.op_fields import Count
from workloads.op_kinds import KINDS, register_kind
from workloads.ops import Op


@pytest.fixture
def colours() -> Iterator[Registry[int]]:
    with restored_registries():
        yield Registry("colour", "test.colours", shipped=("red", "green"))


def test_a_name_is_taken_once_and_may_be_registered_again_as_it_is(colours: Registry[int]) -> None:
    colours.register("blue", 3)
    colours.register("blue", 3)
    with pytest.raises(ValueError, match="the colour 'blue' is already registered, with another value"):
        colours.register("blue", 4)
    with pytest.raises(ValueError, match="'red' is a colour of pimsim itself"):
        colours.register("red", 1)
    colours.ship({"red": 1, "green": 2})
    assert colours.names() == ("red", "green", "blue")
    assert [colours.get(name) for name in colours.names()] == [1, 2, 3]
    with pytest.raises(ValueError, match="the shipped names are red, green, not red"):
        colours.ship({"red": 1})


@pytest.mark.parametrize("name", ["", "3d", "a b", "null", "True", "é", "a" * 101, "a\n", "../x"])
def test_a_name_is_one_that_a_config_can_contain(colours: Registry[int], name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a colour"):
        colours.register(name, 1)
    assert colours.names() == ("red", "green")


def test_an_unknown_name_is_one_message_with_the_names_the_nearest_and_the_ways_to_register(
    colours: Registry[int],
) -> None:
    colours.register("blue", 3)
    with pytest.raises(ConfigError) as caught:
        colours.get("bleu", "machine.colour")
    assert str(caught.value) == (
        "config: machine.colour: 'bleu' is not a registered colour; registered: red, green, blue; did you mean blue? "
        "Otherwise a plugin (--plugin FILE.py) or a package (entry points test.colours) can register it"
    )
    for number in range(20):
        colours.register(f"grey{number}", number)
    assert "blue, grey0, grey1, grey2, grey3, grey4, grey5, grey6, grey7, grey8 and 11 more" in str(
        colours.problem("x" * 500)
    )


def test_what_fails_while_it_registers_leaves_nothing_behind(colours: Registry[int]) -> None:
    def fails() -> None:
        with registering("paint.py"):
            colours.register("blue", 3)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert not colours.knows("blue")
    with registering("paint.py"):
        colours.register("blue", 4)
    assert (colours.get("blue"), colours.origin("blue")) == (4, "paint.py")
    assert colours.describe("blue") == "colour 'blue' (paint.py)"
    with pytest.raises(ValueError, match=r"already registered by paint\.py"):
        colours.register("blue", 5)


@dataclass
class Package:
    name: str
    version: str


@dataclass
class EntryPoint:
    function: Callable[[], None]
    value: str = "paint:register"
    dist: Package | None = None

    def load(self) -> Callable[[], None]:
        return self.function


def test_entry_points_are_called_once_for_a_name_that_is_unknown(
    colours: Registry[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint(lambda: colours.register("blue", 3), dist=Package("paint", "1.2"))]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    assert colours.knows("red")
    assert not asked
    assert colours.get("blue") == 3
    assert not colours.knows("mauve")
    assert asked == ["test.colours"]
    assert loaded_packages()[-1] == "paint 1.2"
    assert colours.origin("blue") == "paint 1.2"


def test_a_package_that_fails_is_named(colours: Registry[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        colours.register("blue", 3)
        raise ImportError("no module named numpyy")

    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda *, group: [EntryPoint(fails, dist=Package("paint", "1.2"))]
    )
    for _ in range(2):  # the second time as the first: no silent end without the names
        with pytest.raises(
            PluginError, match=r"package paint 1\.2: its entry point paint:register of test\.colours raises"
        ):
            colours.knows("blue")
    assert "blue" not in colours.names()


def test_a_kind_of_op_without_a_mapping_goes_with_its_plugin() -> None:
    fields: list[Any] = [("vectors", Count), ("elements", Count)]
    kind: Any = make_dataclass("Sorted", fields, bases=(Op,), frozen=True, namespace={"kind": "sorted_here"})

    def fail() -> None:
        register_kind(kind)
        assert KINDS["sorted_here"] is kind
        raise RuntimeError

    before = dict(KINDS)
    with pytest.raises(RuntimeError), registering("sorting.py"):
        fail()
    assert dict(KINDS) == before
