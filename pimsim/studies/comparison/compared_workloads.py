"""The workloads of a comparison: models, contexts and a phase, or a trace file, the same for all designs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from typing import Any

from pimsim.base.errors import WorkloadInputError, did_you_mean, show
from pimsim.config.ineffective_keys import ineffective_keys
from pimsim.config.model_folders import named_spec
from pimsim.config.schema.workload_section import MAX_CONTEXT_LENGTH
from pimsim.simulation import load_trace
from pimsim.studies.comparison.compared_designs import LoadedDesign
from pimsim.studies.comparison.external_points import PHASES
from workloads.workload_errors import WorkloadError

LENGTH_KEYS = {"decode": "context_length", "prefill": "prompt_length", "generate": "prompt_length"}
"""The key of the section `workload` that `contexts` sets in each phase; the phase "load" has none."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload of a comparison.

    Attributes:
        model: Name of the model or trace in tables.
        phase: Phase in tables.
        context_length: Context, or length of the prompt, tokens; 0 for none.
        changes: Values that select it, by key of the section `workload`.
    """

    model: str
    phase: str
    context_length: int
    changes: Mapping[str, object] = field(default_factory=dict)


def find_workloads(
    designs: Sequence[LoadedDesign],
    models: Sequence[str] | None,
    contexts: Sequence[int] | int | None,
    phase: str | None,
) -> tuple[str, list[Workload]]:
    """Return the workloads that all designs run.

    Args:
        designs: The designs.
        models: Names or paths of models, or a single one; None means the workload that all designs have.
        contexts: Contexts or lengths of prompts, tokens, or a single one; None means that of all designs.
        phase: Phase; None means that of all designs.

    Returns:
        The phase ("trace" for a trace file), and the workloads by model, then by context.

    Raises:
        WorkloadInputError: If a model is unknown, a context is out of range, or a phase does not exist; if the designs
            have different workloads of their own; or if contexts or a phase are given that have no effect.
    """
    models = [models] if isinstance(models, str) else models
    contexts = [contexts] if isinstance(contexts, int) else contexts
    if models is None and (trace := _shared(designs, "trace", lambda config: config.workload.trace)) is not None:
        return "trace", [_of_trace(designs, trace, contexts, phase)]
    if phase is not None and phase not in PHASES:
        hint = did_you_mean(phase, PHASES)
        raise WorkloadInputError(f"phase: {show(phase)} is not one of {', '.join(PHASES)}{'; ' * bool(hint)}{hint}")
    found = phase or _shared(designs, "phase", lambda config: config.workload.phase)
    names = models
    if names is None:
        names = [_shared(designs, "model", lambda config: config.workload.model)]
    if found == "load" and contexts is not None:
        raise WorkloadInputError("contexts: have no effect on the phase load, which loads the weights of a model once")
    key = LENGTH_KEYS.get(found)
    lengths: Sequence[int | None] = [None]
    if key is not None:
        own = contexts if contexts is not None else [_shared(designs, "context", partial(_length, key))]
        lengths = [_checked_length(each) for each in own]
        if repeated := [each for each in own if list(own).count(each) > 1]:
            raise WorkloadInputError(f"contexts: {show(repeated[0])} is given twice")
    if not names or not lengths:
        raise WorkloadInputError(f"{'contexts' if names else 'models'}: none is given")
    labels = _labels(list(names))
    workloads = []
    for name, label in zip(names, labels, strict=True):
        for length in lengths:
            changes: dict[str, object] = {"phase": found}
            if models is not None:
                changes |= {"model": name, "trace": None}
            if key is not None:
                changes[key] = length
            workloads.append(Workload(label, found, length or 0, changes))
    return found, workloads


def _length(key: str, config: Any) -> Any:
    return getattr(config.workload, key)


def _shared(designs: Sequence[LoadedDesign], what: str, of: Callable[[Any], Any]) -> Any:
    """Return a value that all designs have.

    Args:
        designs: The designs.
        what: Name of the value, "model", "context", "phase" or "trace".
        of: Returns it from a config.

    Returns:
        The value.

    Raises:
        WorkloadInputError: If two designs have different values.
    """
    first = of(designs[0].config)
    for each in designs[1:]:
        if (other := of(each.config)) != first:
            options = {"model": "models", "trace": "models", "context": "contexts", "phase": "phase"}[what]
            raise WorkloadInputError(
                f"the designs have different workloads of their own ({what} {show(first)} in {designs[0].name}, "
                f"{show(other)} in {each.name}): give {options} for all, --{options} on the command line"
            )
    return first


def _checked_length(value: object) -> int:
    if isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) <= MAX_CONTEXT_LENGTH:
        return int(value)  # NumPy's integers too
    raise WorkloadInputError(f"contexts: {show(value)} is not a number of tokens from 1 to {MAX_CONTEXT_LENGTH:,}")


def _labels(names: Sequence[str]) -> list[str]:
    """Return the names by which results call models.

    Args:
        names: Names, aliases or paths.

    Returns:
        Names in the same order.

    Raises:
        WorkloadInputError: If a model is unknown, or two texts name one model.
    """
    labels: list[str] = []
    for name in names:
        try:
            label = named_spec(name).name
        except WorkloadError as error:
            raise WorkloadInputError(f"models: {error}") from error
        if label in labels:
            before = names[labels.index(label)]
            raise WorkloadInputError(f"models: {show(before)} and {show(name)} are both called {label}; leave one out")
        labels.append(label)
    return labels


def _of_trace(
    designs: Sequence[LoadedDesign], path: str, contexts: Sequence[int] | None, phase: str | None
) -> Workload:
    """Return the trace file that all designs have as their workload.

    Args:
        designs: The designs.
        path: The trace file.
        contexts: Contexts that the user gave, of which a trace leaves no choice; None for none.
        phase: Phase that the user gave; None for none.

    Returns:
        The workload.

    Raises:
        WorkloadInputError: If contexts are given, or a phase other than "load".
    """
    first = designs[0].config
    for option, value, key in (
        ("contexts", contexts, "workload.context_length"),
        ("phase", phase, "workload.phase"),
    ):
        loads = option == "phase" and phase == "load"
        if value is not None and not loads:
            why = ineffective_keys(first, [key]).get(key) or f"the trace {path} gives it"
            raise WorkloadInputError(f"{option}: has no effect here: {why}; or give models")
    trace = load_trace(path)
    if phase == "load":
        return Workload(trace.model, "load", 0, {"phase": "load"})
    return Workload(trace.model, trace.phase, trace.context_length)
