"""Variants of a point: config keys with other values than the point, under a name.

The workloads of a sweep are variants: each runs on the machine of the same point, and `tokens_per_s@opt-6.7b` is a
metric of the workload `opt-6.7b`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pimsim.base.errors import Problem
from pimsim.base.metric_names import split_metric
from pimsim.config.file_paths import relative_value, with_home
from pimsim.config.layers import set_value
from pimsim.config.schema import Config
from pimsim.config.validation import to_si, validate
from pimsim.config.yaml_tree import Path
from pimsim.studies.sweep.space.axes import Axis, key_path
from pimsim.studies.sweep.space.space_checks import model_problem
from pimsim.studies.sweep.space.sweep_spec import SweepFile

if TYPE_CHECKING:
    from pimsim.config.layers import Tree

SECTIONS = ("workload", "accuracy")
"""Sections of a config that a workload may set: what is run, not on which machine."""


@dataclass(frozen=True)
class Variant:
    """Config keys with other values than a point, under a name.

    Attributes:
        name: Name of the variant.
        settings: Keys and their values in SI numbers, in order.
    """

    name: str
    settings: tuple[tuple[str, Any], ...]

    def applied(self, tree: object, defaults: Tree) -> object:
        """Set the values in a config tree.

        Args:
            tree: Config tree in SI numbers.
            defaults: Tree of the defaults, from which a removed section returns.

        Returns:
            The changed tree.

        Raises:
            LookupError: If a key is below a value that is not a section.
        """
        for key, value in self.settings:
            tree = set_value(tree, key.split("."), value, defaults)
        return tree


def read_workloads(
    file: SweepFile, axes: Sequence[Axis], base: Tree, defaults: Tree
) -> tuple[tuple[Variant, ...], list[Problem]]:
    """Read the workloads of a sweep file.

    Args:
        file: The sweep file.
        axes: Its valid axes.
        base: Tree of the base config in SI numbers.
        defaults: Tree of the defaults in SI numbers.

    Returns:
        The valid workloads, and the problems of the others.
    """
    workloads, problems = [], []
    for name, settings in file.spec.workloads.items():
        where: Path = ("workloads", name)
        wrong = [
            file.problem((*where, key), None, "is a key of the machine, which all workloads of a point share; "
                         f"a workload sets keys of {' and '.join(SECTIONS)}")
            for key in settings
            if key.split(".")[0] not in SECTIONS
        ]  # fmt: skip
        wrong += shared_with_axes(file, where, settings, axes)
        if not wrong:
            complete = {"workload.trace": None} | settings if "workload.model" in settings else settings
            variant, wrong = read_variant(file, where, name, complete, base, defaults)
            workloads.append(variant)
        problems += wrong
    return tuple(workloads), problems


def read_variant(
    file: SweepFile, where: Path, name: str, settings: Mapping[str, Any], base: Tree, defaults: Tree
) -> tuple[Variant, list[Problem]]:
    """Read the settings of a variant, and check them in the base config.

    Args:
        file: The sweep file.
        where: Path of the settings in the file.
        name: Name of the variant.
        settings: Keys and their values as the file has them.
        base: Tree of the base config in SI numbers.
        defaults: Tree of the defaults in SI numbers.

    Returns:
        The variant, and the problems of its values, whatever the values of the axes are.
    """
    raw = Variant(name, tuple((key, relative_value(key, value, file.folder)) for key, value in settings.items()))
    try:
        tree = raw.applied(base, defaults)
    except LookupError as error:
        return raw, [file.problem(where, None, str(error.args[0]))]
    assert isinstance(tree, dict)
    tree = with_home(tree)
    config, found = validate(tree, Config)
    if config is not None and settings.get("workload.model") is not None:
        found = model_problem(config)
    problems = []
    for at, problem in found.items():
        key = next((each for each in settings if at[: len(key_path(each))] == key_path(each)), None)
        if key is not None:  # others compare several keys, and may be valid at the values of an axis
            origin = file.layer.origin((*where, key)) or file.layer.origin(where) or ""
            problems.append(Problem(problem.path, problem.value, problem.message, problem.suggestion, origin))
    converted, _ = to_si(tree, ())
    return Variant(name, tuple((key, _at(converted, key)) for key in settings)), problems


def shared_with_axes(file: SweepFile, where: Path, settings: Iterable[str], axes: Sequence[Axis]) -> list[Problem]:
    """Find settings whose key an axis sets, too.

    Args:
        file: The sweep file.
        where: Path of the settings in the file.
        settings: Their keys.
        axes: The axes.

    Returns:
        One problem for each.
    """
    varied = [key for axis in axes for column in axis.columns for key in column.keys]
    return [
        file.problem((*where, key), None, f"axis {other} sets the same key; remove one of them")
        for key in settings
        for other in varied
        if key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")
    ]


def unread_workloads(file: SweepFile, metrics: Iterable[str]) -> list[Problem]:
    """Find workloads that no metric reads.

    Args:
        file: The sweep file.
        metrics: Names of all metrics of the file.

    Returns:
        One problem for each.
    """
    read = {split_metric(name)[1] for name in metrics}
    return [
        file.problem(("workloads", name), None, "no metric reads this workload", f"write tokens_per_s@{name}")
        for name in file.spec.workloads
        if name not in read
    ]


def _at(tree: object, key: str) -> Any:
    for step in key_path(key):
        if isinstance(tree, list) and isinstance(step, int):
            tree = tree[step]
        else:
            assert isinstance(tree, dict)
            tree = tree[str(step)]
    return tree
