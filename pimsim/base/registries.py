"""Registries of kinds that a config selects by name, and to which code outside the package can add.

Each kind of thing (topologies, serving policies, components of a slot, ...) has one registry. A name is registered by a
call of `Registry.register`: in a plugin file (`pimsim.base.plugins`, the option `--plugin`), in any Python program, or
through the entry points of an installed package. Each entry point of the registry's group names a function without
arguments that makes such calls. Entry points are loaded when a name is unknown without them, so that a run with the
shipped kinds imports no other package. docs/extending.md has examples.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import ConfigError, PluginError, Problem, did_you_mean, printable, show
from pimsim.base.outside_code import printing_to_stderr

LOG = DebugLog(__name__)

T = TypeVar("T")

MAX_NAME_CHARS = 100
MAX_LISTED_NAMES = 12

_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_NAME_CHARS - 1}}}")
_YAML_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off"))
"""Words that a YAML file cannot contain as text without quotes."""


class Registry(Generic[T]):
    """Registry of one kind of thing: values by name.

    Args:
        what: What the registry holds, in the singular, for messages: "topology".
        group: Group of entry points of installed packages, such as "pimsim.topologies". Several registries may share a
            group.
        shipped: Names of the kinds that pimsim itself has. Their values come from `ship`, which the module that
            defines them calls, so that names can be checked without an import of that module.
        withdrawn: Function that is called with each name that is removed because its plugin failed.
    """

    def __init__(
        self, what: str, group: str, shipped: Sequence[str] = (), withdrawn: Callable[[str], None] | None = None
    ) -> None:
        self.what, self.group, self.shipped = what, group, tuple(shipped)
        self._withdrawn = withdrawn
        self._values: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._contents: dict[str, str] = {}
        _REGISTRIES.append(self)

    def ship(self, values: Mapping[str, T]) -> None:
        """Give the values of the shipped names.

        Args:
            values: One value for each name in `shipped`.

        Raises:
            ValueError: If the names are not those of `shipped`.
        """
        if set(values) != set(self.shipped):
            raise ValueError(f"the shipped names are {', '.join(self.shipped)}, not {', '.join(values)}")
        self._values = dict(values) | self._values

    def register(self, name: str, value: T, content: bytes = b"") -> None:
        """Register a value under a name. The same registration may be repeated.

        Args:
            name: Name by which a config selects the value: letters, digits, "_", "-" and ".", first a letter.
            value: The value.
            content: All that the value says, if it is data and not code: results then record its SHA-256.

        Raises:
            ValueError: If the name is not such a text, belongs to pimsim, or is registered with another value.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.lower() in _YAML_WORDS:
            raise ValueError(
                f"{show(name)} cannot be the name of a {self.what}: a name has 1 to {MAX_NAME_CHARS} letters, digits, "
                "'_', '-' or '.', begins with a letter, and is not a word of YAML such as null or true"
            )
        if name in self.shipped:
            raise ValueError(f"{name!r} is a {self.what} of pimsim itself; register yours under another name")
        if name in self._values and self._values[name] != value:
            by = f" by {self._origins[name]}" if self._origins.get(name) else ""
            raise ValueError(f"the {self.what} {name!r} is already registered{by}, with another value")
        self._values[name] = value
        self._origins.setdefault(name, _origin)
        if content:
            self._contents[name] = hashlib.sha256(content).hexdigest()

    def contents(self) -> dict[str, str]:
        """Return the SHA-256 of the registered values that are data.

        Returns:
            64 hexadecimal digits by name.
        """
        return {name: each for name, each in self._contents.items() if name in self._values}

    def names(self) -> tuple[str, ...]:
        """Return all names: the shipped ones, then the registered ones in order of registration.

        Returns:
            The names. Names of installed packages are among them only after `knows` or `get` has loaded them.
        """
        return tuple(dict.fromkeys((*self.shipped, *self._values)))

    def knows(self, name: str) -> bool:
        """Return whether a name is shipped or registered. Entry points are loaded if it is not yet.

        Args:
            name: The name.

        Returns:
            True if `get` has a value for it.

        Raises:
            PluginError: If a package's entry point cannot be loaded.
        """
        if name not in self.shipped and name not in self._values:
            load_entry_points(self.group)
        return name in self.shipped or name in self._values

    def get(self, name: str, path: str = "") -> T:
        """Return the value of a name.

        Args:
            name: The name.
            path: Dotted config key that gives the name, for the message.

        Returns:
            The value.

        Raises:
            ConfigError: If the name is unknown.
            PluginError: If a package's entry point cannot be loaded.
        """
        if not self.knows(name):
            raise ConfigError([self.problem(name, path)])
        return self._values[name]

    def origin(self, name: str) -> str:
        """Return where a name was registered.

        Args:
            name: A registered name.

        Returns:
            File name of the plugin, or name of the package; empty for a shipped name and for a call in a program.
        """
        return self._origins.get(name, "")

    def describe(self, name: str) -> str:
        """Name a registered thing with its origin, for messages about what it does.

        Args:
            name: A registered name.

        Returns:
            Text such as "topology 'torus' (torus.py)".
        """
        origin = self.origin(name)
        return f"{self.what} {name!r}" + (f" ({printable(origin, 100)})" if origin else "")

    def problem(self, name: str, path: str = "") -> Problem:
        """Describe an unknown name.

        Args:
            name: The name.
            path: Dotted config key that gives it.

        Returns:
            The problem: what is registered, the nearest name, and how to register another one.
        """
        names = self.names()
        more = f" and {len(names) - MAX_LISTED_NAMES} more" if len(names) > MAX_LISTED_NAMES else ""
        listed = f"registered: {', '.join(names[:MAX_LISTED_NAMES]) or 'none'}{more}"
        guess = did_you_mean(name, names)
        how = f"a plugin (--plugin FILE.py) or a package (entry points {self.group}) can register it"
        return Problem(
            path, show(name), f"is not a registered {self.what}; {listed}", f"{guess} Otherwise {how}" if guess else how
        )

    def withdraw(self, origin: str) -> None:
        """Remove what one plugin or package registered, because it failed while it was loaded.

        Args:
            origin: Name that `registering` was given.
        """
        for name in [name for name, each in self._origins.items() if each == origin]:
            del self._origins[name], self._values[name]
            self._contents.pop(name, None)
            if self._withdrawn is not None:
                self._withdrawn(name)


def registered_contents() -> dict[str, str]:
    """Return the SHA-256 of all registered values that are data, such as DRAM standards.

    Returns:
        64 hexadecimal digits by kind and name, such as "DRAM standard ddr4".
    """
    return {f"{each.what} {name}": sha256 for each in _REGISTRIES for name, sha256 in each.contents().items()}


def content_now(record: str) -> str:
    """Return the SHA-256 of a value whose record names it. Entry points are loaded if its name is unknown without.

    Args:
        record: Kind and name, as `registered_contents` has them.

    Returns:
        64 hexadecimal digits; empty if there is no such value.
    """
    for each in _REGISTRIES:
        if record.startswith(f"{each.what} ") and each.knows(name := record.removeprefix(f"{each.what} ")):
            return each.contents().get(name, "")
    return ""


_REGISTRIES: list[Registry[Any]] = []
_LOADED: set[str] = set()
_PACKAGES: dict[str, None] = {}
"""Packages whose entry points were called, in order."""
_origin = ""


@contextmanager
def registering(origin: str) -> Iterator[None]:
    """Note, for a `with` block, who registers names; an exception in the block removes what was registered in it.

    Args:
        origin: File name of a plugin, or name of a package.

    Yields:
        Nothing.

    Raises:
        BaseException: What the block raises.
    """
    global _origin
    from workloads.op_kinds import KINDS, withdraw_kind  # kinds of ops that a trace may have, with or without a mapping

    before, _origin = _origin, origin
    kinds = set(KINDS)
    try:
        yield
    except BaseException:
        for registry in _REGISTRIES:
            registry.withdraw(origin)
        for name in set(KINDS) - kinds:
            withdraw_kind(name)
        raise
    finally:
        _origin = before


def load_entry_points(group: str) -> None:
    """Call the functions that installed packages name for a group, once in each process.

    Args:
        group: Group of entry points, such as "pimsim.topologies".

    Raises:
        PluginError: If one of them cannot be imported, or raises an exception.
    """
    if group in _LOADED:
        return
    _LOADED.add(group)
    from importlib.metadata import entry_points  # lazy: a name that is shipped needs none

    for entry_point in entry_points(group=group):
        package = f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else entry_point.value
        try:
            with registering(package), printing_to_stderr():
                entry_point.load()()
            _PACKAGES[package] = None
            LOG("called the entry point %s of package %s", entry_point.value, package)
        except (Exception, SystemExit) as error:
            _LOADED.discard(group)  # a second call must not end silently without the names
            what = printable(f"{type(error).__name__}: {error}", 200)
            raise PluginError(
                f"package {printable(package, 100)}: its entry point {printable(entry_point.value, 100)} of {group} "
                f"raises {what}; update the package, or uninstall it"
            ) from error


def loaded_packages() -> tuple[str, ...]:
    """Return the packages whose entry points this process has called.

    Returns:
        Name and version of each, in the order of the calls.
    """
    return tuple(_PACKAGES)
