"""Waterfall from one config to another: time, energy and area after each step, and of each step alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pimsim.base.errors import PimsimError
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.generation import generate
from pimsim.simulation import simulate
from pimsim.studies.config_waterfall.config_steps import (
    ConfigStep,
    KeyChange,
    differing_keys,
    is_read,
    steps_between,
    with_changes,
)

TOGETHER = "keys that are valid only together"
"""Title of the step of keys none of which can be changed before the others."""

ORDER = (
    "order: model and phase, what is counted, hardware, leakage, then keys without a group in the order of the schema",
    "a step that is not valid yet comes as soon as it is",
    "a step has its effect after all steps above it; 'alone' is its effect on the first config",
    "in another order, steps that act on the same time or energy have other effects, with the same sum",
)
"""What the order of the steps is, and what it means."""


@dataclass(frozen=True, slots=True)
class Level:
    """Time, energy and area of a config.

    Attributes:
        latency_ps: Latency of the run, picoseconds.
        energy_j: Energy of the run, joules.
        area_m2: Area of all chips, m^2.
    """

    latency_ps: int
    energy_j: float
    area_m2: float

    def since(self, before: Level) -> Change:
        """Return the difference from another level.

        Args:
            before: The other level.

        Returns:
            The exact difference.
        """
        return Change(
            self.latency_ps - before.latency_ps,
            Fraction(self.energy_j) - Fraction(before.energy_j),
            Fraction(self.area_m2) - Fraction(before.area_m2),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """Difference of two levels, without rounding, so that the steps of a waterfall add up exactly.

    Attributes:
        latency_ps: Difference in latency, picoseconds.
        energy_j: Difference in energy, joules.
        area_m2: Difference in area, m^2.
    """

    latency_ps: int
    energy_j: Fraction
    area_m2: Fraction


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """A step of a waterfall.

    Attributes:
        title: Title of the step.
        keys: Keys that change.
        change: Effect of the step after all steps before it.
        level: Time, energy and area after the step.
        alone: Effect of the step on the first config; None if it is not valid there.
    """

    title: str
    keys: tuple[KeyChange, ...]
    change: Change
    level: Level
    alone: Change | None


@dataclass(frozen=True, repr=False)
class KeyWaterfall(HeadlineRepr):
    """Waterfall from one config to another.

    Attributes:
        first: Config to start from.
        second: Config to end with.
        start: Time, energy and area of the first config.
        steps: Steps in order; their changes add up to the difference of the two configs.
        not_read: Keys that differ and that a run does not read.
    """

    first: Config
    second: Config
    start: Level
    steps: tuple[WaterfallStep, ...]
    not_read: tuple[str, ...]

    @property
    def end(self) -> Level:
        """Time, energy and area of the second config."""
        return self.steps[-1].level if self.steps else self.start

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two configs."""
        return self.first.name, self.second.name

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Names, number of steps, latency and energy of both configs.
        """
        yield Figure("from", self.first.name)
        yield Figure("to", self.second.name)
        yield Figure("steps", len(self.steps))
        for label, level in (("first", self.start), ("second", self.end)):
            yield Figure(f"latency of the {label}", ps_to_s(level.latency_ps), "s")
            yield Figure(f"energy of the {label}", level.energy_j, "J")

    def rows(self) -> list[dict[str, Any]]:
        """Return the steps as flat rows for CSV, with a first and a last row for the two configs.

        Returns:
            Title, keys, level and changes; the suffixes of the keys are units.
        """
        nothing = Change(0, Fraction(0), Fraction(0))
        ends = (self.first.name, self.start), (self.second.name, self.end)
        first, last = (WaterfallStep(name, (), nothing, level, nothing) for name, level in ends)
        return [_row(step) for step in (first, *self.steps, last)]

    def to_dict(self) -> dict[str, Any]:
        """Return the waterfall as plain values for JSON.

        Returns:
            Names, order, levels of both configs, and the steps with their keys.
        """
        return {
            "first": self.first.name,
            "second": self.second.name,
            "order": list(ORDER),
            "not_read": list(self.not_read),
            "start": _level(self.start),
            "end": _level(self.end),
            "steps": [
                _row(step)
                | {
                    "keys": [
                        {"key": each.key, "before": each.before, "after": each.after, "reason": each.reason}
                        for each in step.keys
                    ]
                }
                for step in self.steps
            ],
        }


def _level(level: Level) -> dict[str, Any]:
    return {
        "latency_ps": level.latency_ps,
        "latency_s": ps_to_s(level.latency_ps),
        "energy_j": level.energy_j,
        "area_mm2": level.area_m2 * 1e6,
    }


def _row(step: WaterfallStep) -> dict[str, Any]:
    row: dict[str, Any] = {"step": step.title, "keys": ", ".join(each.key for each in step.keys), **_level(step.level)}
    for name, change in (("change", step.change), ("alone", step.alone)):
        row |= {
            f"{name}_latency_ps": None if change is None else change.latency_ps,
            f"{name}_energy_j": None if change is None else float(change.energy_j),
            f"{name}_area_mm2": None if change is None else float(change.area_m2 * 10**6),
        }
    return row


def key_waterfall(first: Config, second: Config, progress: Callable[[int, int], None] | None = None) -> KeyWaterfall:
    """Change a config into another one, one key or group of keys at a time.

    Args:
        first: Config to start from.
        second: Config to end with.
        progress: Function of the number of finished and of all steps, called after each step; None means no reports.

    Returns:
        The waterfall. Its steps add up exactly to the difference in time, energy and area.

    Raises:
        PimsimError: If one of the two configs cannot be run.
    """
    start, end = measured(first), measured(second)
    changes = differing_keys(first, second)
    pending = list(steps_between(change for change in changes if is_read(change)))
    current, before, total = first, start, len(pending)
    steps: list[WaterfallStep] = []
    while pending:
        step, config, level = _next_step(current, pending, end)
        alone = _alone(first, step)
        steps.append(
            WaterfallStep(
                step.title, step.changes, level.since(before), level, None if alone is None else alone.since(start)
            )
        )
        pending = [each for each in pending if each.changes[0] not in step.changes]
        current, before = config, level
        if progress is not None:
            progress(total - len(pending), total)
    not_read = tuple(change.key for change in changes if not is_read(change))
    return KeyWaterfall(first, second, start, tuple(steps), not_read)


def _next_step(current: Config, pending: Sequence[ConfigStep], end: Level) -> tuple[ConfigStep, Config, Level]:
    """Take the first step that is valid now; if none is, take all that remain together.

    Args:
        current: Config after the steps so far.
        pending: Steps that remain, in order.
        end: Time, energy and area of the last config.

    Returns:
        The step, the config after it, and time, energy and area of this config.
    """
    for step in pending:
        try:
            config = with_changes(current, step.changes)
            return step, config, measured(config)
        except PimsimError:
            continue
    together = ConfigStep(TOGETHER, tuple(change for step in pending for change in step.changes))
    return together, with_changes(current, together.changes), end


def _alone(first: Config, step: ConfigStep) -> Level | None:
    try:
        return measured(with_changes(first, step.changes))
    except PimsimError:
        return None


def measured(config: Config) -> Level:
    """Run a config: one pass, or the whole generation.

    Args:
        config: Config to run.

    Returns:
        Time, energy and area.
    """
    if config.workload.phase == "generate" and config.workload.trace is None:
        generation = generate(config)
        return Level(generation.latency_ps, generation.energy_j, generation.prefill.area_m2)
    result = simulate(config)
    return Level(result.latency_ps, result.energy_j, result.area_m2)
