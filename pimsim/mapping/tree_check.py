"""Check of a step tree from outside code: the types in it, and that no duration and no count is negative."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pimsim.base.errors import show
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Streamed


def tree_problem(work: object, names: Collection[str]) -> str:
    """Find the first problem of a step tree.

    Args:
        work: Root of what should be a step tree.
        names: Names of the components of the machine.

    Returns:
        What is wrong, to follow the name of the component; empty for a valid tree.
    """
    return next(_problems(work, names), "")


def _problems(work: object, names: Collection[str]) -> Iterator[str]:
    """Find what is wrong in a tree.

    Args:
        work: Root of the tree.
        names: Names of the components of the machine.

    Yields:
        One message each, without the subtrees of a node that is wrong itself.
    """
    match work:
        case Step():
            yield from _step_problems(work, names)
        case Sequence(children) | Parallel(children):
            if not isinstance(children, tuple):
                yield f"has a node {type(work).__name__} with {show(children)} in its work, not a tuple of children"
                return
            for child in children:
                yield from _problems(child, names)
        case Loop(body, times) | Identical(body, times) | Copies(body, times):
            yield from _number_problem(f"a node {type(work).__name__} of", times, "times")
            yield from _problems(body, names)
        case Streamed(body, port_ps):
            yield from _number_problem("an access of the port of", port_ps, "ps")
            yield from _problems(body, names)
        case _:
            yield f"has {show(work)} in its work, which is neither a step nor a node of a step tree"


def _step_problems(step: Step, names: Collection[str]) -> Iterator[str]:
    if step.component not in names:
        yield f"has steps of the component {show(step.component)}; the machine has {', '.join(names)}"
    yield from _number_problem(f"a step {show(step.label)} of", step.duration_ps, "ps")
    yield from _number_problem(f"a step {show(step.label)} with", step.repeat, "repetitions")
    counts = step.counts
    if not isinstance(counts, tuple) or not all(isinstance(each, tuple) and len(each) == 2 for each in counts):
        yield f"has counts of {show(counts)} in its work, not a tuple of pairs (component.action, count)"
        return
    for action, count in counts:
        if type(action) is not str:
            yield f"counts the action {show(action)}, which is not a text component.action"
        yield from _number_problem(f"a step {show(step.label)} that counts {show(action)}", count, "times")


def _number_problem(what: str, value: object, unit: str) -> Iterator[str]:
    if type(value) is not int or value < 0:
        yield f"has {what} {show(value)} {unit} in its work, not a whole number (an int of Python) of at least 0"
