"""Kinds of op that a trace can contain: those of this package, and those that other packages register.

A kind is a frozen dataclass that derives from `Op`; a trace file names it by its attribute `kind`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from workloads import kv_ops, ops
from workloads.checked_fields import Name, OneOf, rules, shorten
from workloads.ops import Op


def _no_search() -> None:
    """Find no more kinds: by default there is no other place in which to look for them."""


class _Search:
    """Where else kinds are looked for, and how a person registers one."""

    def __init__(self) -> None:
        self.find: Callable[[], None] = _no_search
        self.how = "a program registers a kind with workloads.op_kinds.register_kind"


_search = _Search()
_kinds: dict[str, type[Op]] = {}

KINDS: Mapping[str, type[Op]] = MappingProxyType(_kinds)
"""Class of each kind of op, by its name in a trace file: the shipped kinds, then the registered ones."""


def register_kind(kind: type[Op]) -> None:
    """Register a kind of op, so that traces and trace files can contain it. The same call may be repeated.

    Args:
        kind: Frozen dataclass that derives from `Op`, with its name in the class attribute `kind`. Each field is
            annotated with its rule, as in `workloads.ops`. It has fields `vectors` and `elements`, or a property
            `output_elements` of its own.

    Raises:
        ValueError: If the class is not such a dataclass, or another class has the same name.
    """
    check_kind(kind)
    _kinds.setdefault(kind.kind, kind)


def withdraw_kind(name: str) -> None:
    """Remove a registered kind of op, because the code that registered it failed.

    Args:
        name: Name of the kind; nothing happens if it is not registered.
    """
    _kinds.pop(name, None)


def check_kind(kind: type[Op]) -> None:
    """Check that a class can be registered as a kind of op.

    Args:
        kind: The class, as for `register_kind`.

    Raises:
        ValueError: If the class is not such a dataclass, or another class has the same name.
    """
    if not (isinstance(kind, type) and issubclass(kind, Op) and _is_frozen(kind)):
        raise ValueError(
            f"{shorten(kind)} is not a kind of op: it must be a frozen dataclass that derives from workloads.Op"
        )
    where = f"op kind {kind.__name__}"
    name: str = getattr(kind, "kind", "")
    if text := Name().problem(name):
        raise ValueError(f"{where}: its class attribute kind {text}")
    try:
        fields = rules(kind)
    except TypeError as error:
        raise ValueError(
            f"{where}: {error}; a module that declares ops must not use from __future__ import annotations"
        ) from error
    if kind.output_elements is Op.output_elements and not {"vectors", "elements"} <= fields.keys():
        raise ValueError(
            f"{where}: its output has an unknown size; give it fields vectors and elements, or a property "
            "output_elements"
        )
    if _kinds.get(name, kind) is not kind:
        raise ValueError(f"{where}: the op kind {name!r} is already registered, by {_kinds[name].__name__}")


def _is_frozen(kind: type) -> bool:
    parameters = vars(kind).get("__dataclass_params__")  # of the class itself, not of one that it derives from
    return parameters is not None and parameters.frozen


def search_kinds(find: Callable[[], None], how: str) -> None:
    """Set what is called before a kind is reported as unknown.

    Args:
        find: Function that registers kinds of installed packages.
        how: How a person registers a kind, as the end of an error message.
    """
    _search.find, _search.how = find, how


def kind_problem(kind: object) -> str | None:
    """Check the name of a kind in a trace file.

    Args:
        kind: Value of the key `kind`.

    Returns:
        What is wrong, with the registered kinds and how to register another, or None if the kind is registered.
    """
    if isinstance(kind, str) and kind not in KINDS:
        _search.find()
    text = OneOf(tuple(KINDS)).problem(kind)
    return text and f"{text}; {_search.how}"


@dataclass(frozen=True, slots=True)
class Ops:
    """A tuple of at least one op of a registered kind."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            What is wrong with the tuple or with its first item that is not such an op, or None if it is valid.
        """
        if not isinstance(value, tuple) or not value:
            return f"must be a list of at least one op, not {shorten(value)}"
        registered = tuple(KINDS.values())
        for item in value:
            if not isinstance(item, registered):
                more = f" of an unregistered kind; {_search.how}" if isinstance(item, Op) else ""
                return f"must contain only ops, not {shorten(item)}{more}"
        return None


for _shipped in (
    *(ops.Norm, ops.Projection, ops.Rotary, ops.KVAppend, ops.AttentionScores, ops.Softmax, ops.AttentionValues),
    *(ops.Residual, ops.Activation, ops.Multiply, ops.Quantise, ops.Dequantise, ops.Embedding),
    *(kv_ops.KVEvict, kv_ops.KVAccumulate),
):
    register_kind(_shipped)
