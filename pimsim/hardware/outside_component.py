"""Components from outside the package: every method is called under its name, and every answer is checked.

A wrong number of a component would otherwise reach the figures of a run in silence, and a wrong type would end as an
internal error far from its cause.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from pimsim.base.errors import ConfigError, PluginError, Problem, show
from pimsim.base.outside_code import calling
from pimsim.hardware.component import Area, Component
from pimsim.hardware.matrix_tile import Blocks
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.steps.step_tree import Work

COMPONENT_METHODS = tuple(name for name in dir(Component) if not name.startswith("_"))
"""Methods and properties that every component has."""

SLOT_METHODS: Mapping[str, tuple[str, ...]] = {
    "systolic": ("operand_bytes",),
    "vector": ("softmax_passes",),
    "tile": ("blocks", "programming", "has_pair", "grid", "tiles_needed", "sum_bits", "sent_bits"),
}
"""Methods that the component of a slot needs in addition to the common interface."""


def complete(path: str, slot: str, component: Any) -> Any:
    """Check that a component has all methods of the interface, so that a missing one is reported before the run.

    Args:
        path: Config path of the component, for the error message.
        slot: Slot of the machine; empty for a part that a component brings along.
        component: What outside code has built.

    Returns:
        The component unchanged.

    Raises:
        ConfigError: If a method or property is missing.
    """
    wanted = (*COMPONENT_METHODS, *SLOT_METHODS.get(slot, ()))
    missing = [name for name in wanted if not hasattr(component, name)]
    if missing:
        what = type(component).__name__
        raise ConfigError([Problem(path, show(what), f"is not a component: it lacks {', '.join(missing)}")])
    return component


class CheckedComponent:
    """A component from outside the package with the interface of a shipped one.

    An object whose class derives from a shipped one is still an instance of that class for `isinstance`, and has its
    further methods.

    Args:
        outside: The component, with all methods of its slot.
        described: The component with its origin, for messages.
        slot: Slot of the machine; empty for a part that a component brings along.

    Raises:
        PluginError: If a method raises an exception, or an answer that needs no share is not valid.
    """

    def __init__(self, outside: Any, described: str, slot: str = "") -> None:
        self._outside, self._described = outside, described
        name = self._property("name")
        if type(name) is not str or not name or "." in name:
            raise self._refused("name", name, "a text without dots")
        self.name = name
        self.units = self._whole("units", self._property("units"), 1)
        self.areas()
        self.leakage_w()
        self.action_energies_j()
        if slot == "tile":
            self.has_pair = bool(self._property("has_pair"))
            self.blocks()

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:
        """Class of the outside component, so that one which derives from a shipped class counts as one of it."""
        return type(self._outside)

    def __eq__(self, other: object) -> bool:
        """Compare the outside components.

        Args:
            other: Another component.

        Returns:
            True if both are equal.
        """
        return bool(self._outside == (other._outside if type(other) is CheckedComponent else other))

    def __hash__(self) -> int:
        """Hash the name, because an outside component may have no hash.

        Returns:
            A hash that is equal for equal components.
        """
        return hash(self.name)

    def __getattr__(self, attribute: str) -> Any:
        """Return what the outside component has beyond the interface, its methods under its name in messages.

        Args:
            attribute: Name of the attribute.

        Returns:
            The attribute.

        Raises:
            AttributeError: If the outside component has no such attribute.
        """
        if attribute.startswith("_"):  # also while a copy is built, which has no attributes yet
            raise AttributeError(attribute)
        value = getattr(self._outside, attribute)
        return self._guarded(attribute, value) if callable(value) else value

    def _guarded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            with calling(self._described, name):
                return method(*arguments, **named)

        return called

    def _property(self, name: str) -> Any:
        with calling(self._described, name):
            return getattr(self._outside, name)

    def _call(self, method: str, *arguments: Any) -> Any:
        with calling(self._described, method):
            return getattr(self._outside, method)(*arguments)

    def _refused(self, method: str, value: object, wanted: str) -> PluginError:
        return PluginError(f"{self._described}: {method} is {show(value)}, not {wanted}")

    def _whole(self, method: str, value: object, least: int) -> int:
        if type(value) is not int or value < least:
            raise self._refused(method, value, f"a whole number (an int of Python) of at least {least}")
        return value

    def _amount(self, method: str, value: object, unit: str) -> float:
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
            raise self._refused(method, value, f"a finite number of {unit} of at least 0")
        return float(value)

    def action_energies_j(self) -> Mapping[str, float]:
        """Ask for the energy of each action.

        Returns:
            Energy per action in joules.

        Raises:
            PluginError: If the answer is not a mapping of names to finite energies of at least 0.
        """
        answer = self._call("action_energies_j")
        if not isinstance(answer, Mapping) or not all(type(action) is str for action in answer):
            raise self._refused("action_energies_j", answer, "a dictionary of joules by name of the action")
        return {each: self._amount(f"the energy of {each!r}", answer[each], "joules") for each in answer}

    def work(self, share: Any) -> Work:
        """Ask for the steps of a share; `check_registered` checks what is in them.

        Args:
            share: The component's share of an op.

        Returns:
            The step tree.

        Raises:
            PluginError: If the answer is not a step tree.
        """
        answer = self._call("work", share)
        if not isinstance(answer, Work):
            raise self._refused("work", answer, "a step or a node of a step tree (pimsim.steps.step_tree)")
        return answer

    def latency_ps(self, share: Any) -> int:
        """Ask for the closed-form latency of a share.

        Args:
            share: The component's share of an op.

        Returns:
            Latency in picoseconds.
        """
        return self._whole("latency_ps", self._call("latency_ps", share), 0)

    def areas(self) -> tuple[Area, ...]:
        """Ask for the area.

        Returns:
            One item per kind of circuit.

        Raises:
            PluginError: If the answer is not a tuple of areas, or one has no finite size or no number.
        """
        answer = self._call("areas")
        if not isinstance(answer, tuple | list) or not all(isinstance(each, Area) for each in answer):
            raise self._refused("areas", answer, "a tuple of Area")
        for each in answer:
            self._amount(f"each_m2 of the area {each.item!r}", each.each_m2, "m^2")
            self._whole(f"count of the area {each.item!r}", each.count, 0)
        return tuple(answer)

    def leakage_w(self) -> float:
        """Ask for the static power.

        Returns:
            Power of one instance in watts.
        """
        return self._amount("leakage_w", self._call("leakage_w"), "watts")

    def operand_bytes(self, share: Any) -> tuple[int, int]:
        """Ask a systolic array for the bytes of the operands and results of a matmul.

        Args:
            share: The matmul.

        Returns:
            Bytes read and bytes written.

        Raises:
            PluginError: If the answer is not a pair of whole numbers of at least 0.
        """
        answer = self._call("operand_bytes", share)
        if not isinstance(answer, Sequence) or len(answer) != 2 or not all(type(e) is int and e >= 0 for e in answer):
            raise self._refused("operand_bytes", answer, "a pair of whole numbers (read, written) of at least 0")
        return answer[0], answer[1]

    def softmax_passes(self) -> int:
        """Ask a vector unit for the passes of a softmax.

        Returns:
            Number of passes over a vector.
        """
        return self._whole("softmax_passes", self._call("softmax_passes"), 1)

    def blocks(self) -> Blocks:
        """Ask a tile for its blocks.

        Returns:
            The blocks.

        Raises:
            PluginError: If the answer is not `Blocks` with numbers of at least 1.
        """
        answer = self._call("blocks")
        if not isinstance(answer, Blocks):
            raise self._refused("blocks", answer, "Blocks(rows, columns, per_tile)")
        for each in ("rows", "columns", "per_tile"):
            self._whole(f"{each} of blocks", getattr(answer, each), 1)
        return answer

    def programming(self) -> Component[Any]:
        """Ask a tile for its write drivers.

        Returns:
            The write drivers, checked like the tile.

        Raises:
            ConfigError: If the answer lacks a method of a component.
        """
        answer = self._call("programming")
        with calling(self._described):
            complete("machine.outside.tile", "", answer)
        return CheckedComponent(answer, f"programming of the {self._described}")

    def grid(self, in_features: int, out_features: int) -> WeightGrid:
        """Ask a tile how it divides a matrix.

        Args:
            in_features: Rows of the matrix.
            out_features: Columns of the matrix.

        Returns:
            The blocks and tiles.

        Raises:
            PluginError: If the answer is not a `WeightGrid`.
        """
        answer = self._call("grid", in_features, out_features)
        if not isinstance(answer, WeightGrid):
            raise self._refused("grid", answer, "a WeightGrid")
        return answer

    def tiles_needed(self, in_features: int, out_features: int) -> int:
        """Ask a tile for the number of tiles of a matrix.

        Args:
            in_features: Rows of the matrix.
            out_features: Columns of the matrix.

        Returns:
            Number of tiles.
        """
        return self._whole("tiles_needed", self._call("tiles_needed", in_features, out_features), 1)

    def sum_bits(self, input_bits: int, rows: int) -> int:
        """Ask a tile for the bits of a sum.

        Args:
            input_bits: Bits per input element.
            rows: Rows whose products the sum adds.

        Returns:
            Bits per sum.
        """
        return self._whole("sum_bits", self._call("sum_bits", input_bits, rows), 1)

    def sent_bits(self, grid: WeightGrid, input_bits: int) -> tuple[int, ...]:
        """Ask a tile for the bits that each tile sends per vector.

        Args:
            grid: Tiles of the matrix.
            input_bits: Bits per input element.

        Returns:
            Bits in tile order.

        Raises:
            PluginError: If the answer has not one whole number of at least 0 for each tile.
        """
        answer = self._call("sent_bits", grid, input_bits)
        good = isinstance(answer, tuple | list) and all(type(each) is int and each >= 0 for each in answer)
        if not good or len(answer) != grid.tile_count:
            wanted = f"a tuple of {grid.tile_count} whole numbers of at least 0, one for each tile of the matrix"
            raise self._refused("sent_bits", answer, wanted)
        return tuple(answer)
