"""Plugins: Python files of the user that register topologies, policies, components and other kinds.

A plugin runs with all rights of the user. Only the user can name one, on the command line or in a program: a config, a
trace or a result cannot, because it may come from somebody else and must not run code.
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, NamedTuple

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import MAX_LINE_CHARS, PimsimError, PluginError, printable
from pimsim.base.outside_code import printing_to_stderr
from pimsim.base.registries import content_now, loaded_packages, registered_contents, registering
from pimsim.base.stored_columns import Table

LOG = DebugLog(__name__)

MAX_PLUGIN_BYTES = 1 << 22
NOT_HERE = "<folder of the plugin, not on this machine>"
"""Folder of `__file__` where the file is not. A bare name would let the plugin read files of the current folder."""


class PluginRecord(NamedTuple):
    """What a result keeps of code or data from outside the package that was loaded when the result was made.

    Attributes:
        name: Name of the plugin's file; name and version of a package; or kind and name of registered data.
        sha256: SHA-256 of the file or the data, 64 hexadecimal digits; empty for a package.
    """

    name: str
    sha256: str

    def __str__(self) -> str:
        name = printable(self.name, 100)
        return f"{name} (SHA-256 {printable(self.sha256[:12], 12)})" if self.sha256 else name

    @property
    def is_plugin(self) -> bool:
        """Whether it is a plugin file."""
        return bool(self.sha256) and self.name.endswith(".py")

    @property
    def thing(self) -> str:
        """What it is a version of, with an article, for messages."""
        if not self.sha256:
            return f"the package {printable(self.name.rpartition(' ')[0] or self.name, 100)}"
        return f"the {'plugin ' if self.is_plugin else ''}{printable(self.name, 100)}"

    @property
    def version(self) -> str:
        """The version, for messages."""
        if self.sha256:
            return f"SHA-256 {printable(self.sha256[:12], 12)}"
        return printable(self.name.rpartition(" ")[2], 100)

    def now(self) -> PluginRecord | None:
        """Return the record of the same plugin, package or data in this process.

        Returns:
            The record, with its present version; None if it is not loaded, or not installed.
        """
        if self.is_plugin:
            return next((each.record for each in _LOADED.values() if each.name == self.name), None)
        if self.sha256:
            sha256 = content_now(self.name)
            return PluginRecord(self.name, sha256) if sha256 else None
        package, _, _ = self.name.rpartition(" ")
        if not package or self.name in loaded_packages():  # an entry point without a package has no version
            return self
        from importlib.metadata import PackageNotFoundError, version  # lazy: takes 20 ms

        try:
            return PluginRecord(f"{package} {version(package)}", "")
        except PackageNotFoundError:
            return None


StoredPlugins = Annotated[tuple[PluginRecord, ...], Table("plugins", optional=True)]
"""Plugins and packages of a result, in the table `plugins` of its file."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A loaded plugin.

    Attributes:
        name: Name of its file, without folders.
        sha256: SHA-256 of the file, 64 hexadecimal digits.
        text: Content of the file, bytes, from which a worker process loads it again.
        path: Absolute path of the file on the machine that read it; empty if it was not read from a file.
    """

    name: str
    sha256: str
    text: bytes
    path: str = ""

    @property
    def record(self) -> PluginRecord:
        """What a result keeps of it."""
        return PluginRecord(self.name, self.sha256)


_LOADED: dict[str, Plugin] = {}
"""Loaded plugins by their SHA-256, in the order of loading."""


def load_plugin(path: str | Path) -> Plugin:
    """Run a Python file that registers kinds under names. The same file is run only once in each process.

    Args:
        path: The file.

    Returns:
        Name and SHA-256 of the plugin.

    Raises:
        PluginError: If the file has another suffix, cannot be read, or raises an exception. What it registered
            before is removed.
    """
    file = Path(path).expanduser()
    if file.suffix != ".py":
        # Some files of YAML are Python, too, whose names with annotations do nothing.
        raise PluginError(f"{_shown(file)}: a plugin is a Python file, whose name ends in .py")
    try:
        if file.is_file() and file.stat().st_size > MAX_PLUGIN_BYTES:
            raise PluginError(f"{_shown(file)}: is too large for a plugin (over {MAX_PLUGIN_BYTES >> 20} MiB)")
        text = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else None
        reason = reason or (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise PluginError(f"{_shown(file)}: cannot be read as a plugin: {reason}") from None
    plugin = Plugin(printable(file.name, 255), hashlib.sha256(text).hexdigest(), text, str(file.absolute()))
    return install_plugin(plugin, file)


def install_plugin(plugin: Plugin, path: Path | None = None) -> Plugin:
    """Run a plugin whose content is already read, as a worker process does.

    Args:
        plugin: The plugin.
        path: Its file as the user named it, for messages and tracebacks; None means its name.

    Returns:
        The same plugin; the first one if the same content was loaded before.

    Raises:
        PluginError: If the content is not Python, or raises an exception.
        Exception: The exception of the plugin itself, if the environment variable PIMSIM_DEBUG is set.
        SystemExit: Likewise, if it is the plugin's exception.
    """
    if plugin.sha256 in _LOADED:
        return _LOADED[plugin.sha256]
    if other := next((each for each in _LOADED.values() if each.name == plugin.name), None):
        raise PluginError(
            f"{printable(plugin.name, 100)}: another plugin of this name is loaded, SHA-256 {other.sha256[:12]} and "
            f"not {plugin.sha256[:12]}; results tell plugins apart by name: rename one, or start a new process for "
            "the changed file"
        )
    where = str(path or plugin.name)
    module = ModuleType(f"pimsim_plugin_{plugin.sha256[:16]}")
    module.__file__ = plugin.path if path or _is_here(plugin) else f"{NOT_HERE}/{plugin.name}"
    try:
        code = compile(plugin.text, where, "exec", dont_inherit=True)  # else our `from __future__` applies
        sys.modules[module.__name__] = module  # dataclasses and pickle look their module up
        with registering(plugin.name), printing_to_stderr():
            exec(code, module.__dict__)
    except (Exception, SystemExit) as error:
        sys.modules.pop(module.__name__, None)
        if os.environ.get("PIMSIM_DEBUG"):
            raise
        raise PluginError(_message(where, error)) from error
    except BaseException:
        sys.modules.pop(module.__name__, None)
        raise
    _LOADED[plugin.sha256] = plugin
    LOG("loaded plugin %s", plugin.record)
    return plugin


def _is_here(plugin: Plugin) -> bool:
    """Return whether this machine has the file of a plugin, with the same content."""
    try:
        return bool(plugin.path) and hashlib.sha256(Path(plugin.path).read_bytes()).hexdigest() == plugin.sha256
    except (OSError, ValueError):
        return False


def loaded_plugins() -> tuple[Plugin, ...]:
    """Return the plugins that this process has loaded.

    Returns:
        The plugins in the order of loading.
    """
    return tuple(_LOADED.values())


def plugin_records() -> tuple[PluginRecord, ...]:
    """Return what a result that is made now keeps of code from outside the package.

    All loaded plugins count: a plugin may change more than what it registers.

    Returns:
        The loaded plugins, then registered data such as DRAM standards, then the packages whose entry points were
        called.
    """
    contents = (PluginRecord(*each) for each in registered_contents().items())
    packages = (PluginRecord(name, "") for name in loaded_packages())
    return (*(each.record for each in _LOADED.values()), *contents, *packages)


def changed_records(records: Iterable[PluginRecord]) -> list[tuple[PluginRecord, PluginRecord | None]]:
    """Compare records of a result with what this process has.

    Args:
        records: Plugins, data and packages of the result.

    Returns:
        The records that differ, each with the present one, which is None if there is none.
    """
    return [(each, now) for each in records if (now := each.now()) != each]


def _message(where: str, error: BaseException) -> str:
    """Say at which line of a plugin an exception was raised.

    Args:
        where: Path of the plugin.
        error: The exception.

    Returns:
        One sentence, with the way to see the traceback.
    """
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == where]
    if isinstance(error, SyntaxError | ValueError) and not frames:  # from `compile`; ValueError: null bytes
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = (error.msg if isinstance(error, SyntaxError) else "") or str(error)
        return f"{_shown(where)}{line}: a plugin must be Python: {printable(what, 200)}"
    line = f":{frames[-1]}" if frames else ""
    if isinstance(error, PimsimError):  # it may list several problems, each with its place
        lines = [printable(each, MAX_LINE_CHARS) for each in str(error).split("\n")]
    else:
        lines = [printable(f"{type(error).__name__}: {error}", 300)]
    end = "; " if len(lines) == 1 else "\n  "
    what = "\n".join(lines)
    return f"{_shown(where)}{line}: the plugin raises {what}{end}PIMSIM_DEBUG=1 shows the traceback"


def _shown(path: object) -> str:
    return printable(str(path), 200)
