"""Entry of `pimsim diff`: two results, files of results, or configs that are run first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pimsim.base.errors import ResultFileError, WorkloadInputError, printable
from pimsim.base.file_kinds import RESULTS
from pimsim.base.files import is_result_file
from pimsim.config.effective_config import EffectiveValue, effective_values
from pimsim.config.layers import Overrides
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.results.run_result import RunResult
from pimsim.results.store import FILE, read_git_revision, read_result, result_format
from pimsim.simulation import simulate
from pimsim.studies.difference.key_differences import by_key, key_differences, shipped_values
from pimsim.studies.difference.run_difference import RunDifference, Side

Origins = Callable[[], Mapping[str, EffectiveValue]]
Source = RunResult | Config | str | Path


def diff(first: Source, second: Source) -> RunDifference:
    """Say why two results differ.

    Args:
        first: A result, the file of one, or a config (its name, its file, or loaded), which is run.
        second: The same, for the second run.

    Returns:
        Keys, parts, actions and ops that differ, with exact shares of the difference.

    Raises:
        ResultFileError: If a file holds the result of another command, or cannot be read.
        PimsimError: If a config cannot be run, or does not describe a single pass.

    Example:
        >>> from pimsim import diff, load_config
        >>> small = {"workload.model": "gpt2-small"}
        >>> found = diff(load_config("pim-llm", small), load_config("tpu-llm", small))
        >>> found.latency_ps == sum(each.second - each.first for each in found.parts)
        True
    """
    (one, ours), (other, theirs) = _opened(first, "first"), _opened(second, "second")
    return between(one, other, (ours, theirs))


def between(first: Side, second: Side, origins: tuple[Origins, Origins]) -> RunDifference:
    """Compare two runs.

    Args:
        first: First run.
        second: Second run.
        origins: Functions that return the values of each config with their places; called if a key differs.

    Returns:
        The difference.
    """
    configs = first.result.config, second.result.config
    places = (origins[0](), origins[1]()) if configs[0] != configs[1] else ({}, {})
    return RunDifference(first, second, key_differences(*configs, places))


def stored(path: str | Path) -> tuple[Side, Origins]:
    """Read the run of a file.

    Args:
        path: A file of `pimsim run --out`; it is untrusted input.

    Returns:
        The run, and a function that returns the places of its values in the shipped config of its name.

    Raises:
        ResultFileError: If the file holds the result of another command, cannot be read, or is not of pimsim.
    """
    kind = result_format(path)
    if kind in RESULTS and kind != FILE.format:
        file = printable(str(path), 200)
        raise ResultFileError(f"{file}: {RESULTS[kind].format(file=file)}; pimsim diff compares results of pimsim run")
    result = read_result(path)
    return Side(str(path), result, read_git_revision(path)), lambda: shipped_values(result.config.name)


def simulated(
    config: Config, label: str, source: str | Path | None = None, overrides: Overrides = ()
) -> tuple[Side, Origins]:
    """Run a config.

    Args:
        config: The config.
        label: Name of the run.
        source: Name or file that it was loaded from; None if this is not known.
        overrides: Settings on top of it.

    Returns:
        The run, and a function that returns the places of its values.

    Raises:
        WorkloadInputError: If the config describes a generation, which has a run per step.
        PimsimError: As `simulate`.
    """
    if config.workload.phase == "generate" and config.workload.trace is None:
        raise WorkloadInputError(
            f"{printable(label, 200)}: workload.phase is generate, and pimsim diff compares single passes: set it to "
            "decode or prefill"
        )
    side = Side(label, simulate(config))
    if source is None:
        return side, lambda: shipped_values(config.name)
    return side, lambda: by_key(effective_values(str(source), overrides))


def _opened(source: Source, name: str) -> tuple[Side, Origins]:
    if isinstance(source, RunResult):
        return Side(name, source), lambda: shipped_values(source.config.name)
    if isinstance(source, Config):
        return simulated(source, source.name)
    if is_result_file(source):
        return stored(source)
    return simulated(load_config(source), str(source), source)
