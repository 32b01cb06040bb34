"""Loading of the config that a command is given, and of what the user says on top of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.base.errors import Problem
    from pimsim.config.schema import Config
    from pimsim.config.system_file import System

MAX_NOTES = 8
"""Notes on keys without effect; a config that lists every key may have many more."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One override of a config key.

    Attributes:
        option: The option as the user typed it, such as "--context 128", for messages.
        text: The override, "key.of.section=value".
    """

    option: str
    text: str


def settings_of(overrides: Iterable[str] | None, **options: tuple[str, object]) -> list[Setting]:
    """Collect the overrides of a command line.

    Args:
        overrides: Values of `--set`.
        options: Dotted key and value of each option that stands for a key; a value of None was not given. Values are
            quoted as YAML text unless they are integers or switches.

    Returns:
        The settings in the order in which they apply.
    """
    from pimsim.cli.options import yaml_string

    settings = [Setting(f"--set {text}", text) for text in overrides or ()]
    for name, (key, value) in options.items():
        if value is not None:
            written = str(value).lower() if isinstance(value, int) else yaml_string(str(value))
            option = name.replace("_", "-")
            switch = f"--{'' if value else 'no-'}{option}" if isinstance(value, bool) else f"--{option} {value}"
            settings.append(Setting(switch, f"{key}={written}"))
    return settings


def load(
    source: str,
    overrides: Sequence[str | Setting],
    *,
    machine: bool = True,
    preset: bool = False,
    command: str = "",
    note: bool = True,
) -> Config:
    """Load a config from a config file, by name, or from the result file of an earlier run.

    Args:
        source: Path of a config file or of a result file, or the name of a shipped config.
        overrides: Overrides of config keys, each as "key=value".
        machine: Whether the command simulates, so that what is not a whole machine is refused, and a result file
            without its plugins.
        preset: Whether a preset of a part of a machine is accepted, too, on the defaults.
        command: Name of the command, for notes on keys that it does not read.
        note: Whether notes on keys without effect are printed on standard error; otherwise `notes_of` has them.

    Returns:
        The validated config.

    Raises:
        ConfigError: If the config or an override is invalid, or an override has no effect or contradicts another one.
        ResultFileError: If the result file cannot be read.
    """
    from pimsim.base.errors import ConfigError

    settings = [each if isinstance(each, Setting) else Setting(f"--set {each}", each) for each in overrides]
    try:
        config = _load(source, [each.text for each in settings], machine=machine, preset=preset)
    except ConfigError as error:
        raise ConfigError([_as_typed(each, settings) for each in error.problems], error.source) from None
    _refuse_useless(source, config, settings)
    if note:
        import typer

        for sentence in notes_of(source, config, settings, command):
            typer.echo(f"note: {sentence}", err=True)
    return config


def _as_typed(problem: Problem, settings: Sequence[Setting]) -> Problem:
    """Return a problem of an override with the option that the user typed in place of --set."""
    keys = {
        each.text.partition("=")[0].strip(): each.option for each in settings if not each.option.startswith("--set")
    }
    option = keys.get(problem.path)
    return replace(problem, source=option) if option and problem.source == "--set" else problem


def _load(source: str, overrides: list[str], *, machine: bool, preset: bool = False) -> Config:
    from pimsim.base.errors import ConfigError
    from pimsim.base.files import is_result_file
    from pimsim.config.layers import read_layers
    from pimsim.config.loading import load_config, load_stored_config
    from pimsim.config.preset_files import lacks_machine

    if is_result_file(source):
        from pimsim.results.store import read_config

        if not machine:  # its values are only read, and may be names that plugins register
            return load_stored_config(read_config(source).model_dump(mode="json"), overrides)
        _check_plugins(source)
        return load_config(read_config(source).model_dump(mode="json"), overrides)
    config = load_config(source, overrides)
    layers = read_layers(source) if machine else []
    if preset and all(layer.preset for layer in layers):
        return config
    if problem := lacks_machine(layers, source):
        raise ConfigError(problem, source)
    return config


def _check_plugins(source: str) -> None:
    """Refuse to repeat a run without its plugins, because they may have changed any of its figures.

    Args:
        source: A result file.

    Raises:
        PluginError: If a plugin of the result is not loaded, or one, a package or registered data has changed.
    """
    from pimsim.base.errors import PluginError, printable
    from pimsim.base.plugins import changed_records
    from pimsim.results.stored_plugins import read_plugins

    records = read_plugins(source)
    # The plugins first: they may register the data.
    changed = changed_records(each for each in records if each.is_plugin)
    changed = changed or changed_records(each for each in records if not each.is_plugin)
    if not changed:
        return
    one, now = changed[0]
    listed = ", ".join(str(each) for each, _ in changed)
    if now is not None:
        what = f"{printable(one.name, 100)} has now" if one.sha256 else f"{one.thing} has now version"
        why = f"{what} {now.version}: run the config itself, not its result"
    elif not one.is_plugin:
        why = "register it first, in a plugin or an installed package" if one.sha256 else "install it"
    else:
        why = f"give it with --plugin {printable(one.name, 100)}" if len(changed) == 1 else "give each with --plugin"
    kind = "plugin " if one.is_plugin else "" if one.sha256 else "package "
    raise PluginError(f"{printable(source, 200)}: was made with the {kind}{listed}; {why}")


def _refuse_useless(source: str, config: Config, settings: Sequence[Setting]) -> None:
    """Refuse settings that contradict each other or have no effect.

    Args:
        source: The config as the user names it.
        config: The config with all settings.
        settings: The settings.

    Raises:
        ConfigError: Lists all such settings.
    """
    from pimsim.base.errors import ConfigError

    if problems := [*_contradictions(settings), *_ineffective(source, config, settings)]:
        raise ConfigError(problems, source)


def refuse_useless_in_system(source: str, system: System, settings: Sequence[Setting]) -> None:
    """Refuse settings of a system that contradict each other, or that have no effect in any of its machines.

    Args:
        source: The system file.
        system: The system with all settings.
        settings: The settings.

    Raises:
        ConfigError: Lists all such settings.
    """
    from pimsim.base.errors import ConfigError, Problem
    from pimsim.config.ineffective_keys import ineffective_keys

    found = list(_contradictions(settings))
    for key, option in _given(settings).items():
        role, _, own = key.removeprefix("machines.").partition(".")
        of_role = key.startswith("machines.") and role in system.machines
        configs = [system.machines[role]] if of_role else [*system.machines.values()]
        name = own if of_role else key
        reasons = [ineffective_keys(config, [name]).get(name, "") for config in configs]
        if all(reasons):
            found.append(Problem(key, "", f"has no effect here: {reasons[0]}", source=option))
    if found:
        raise ConfigError(found, source)


def _contradictions(settings: Sequence[Setting]) -> Iterator[Problem]:
    from pimsim.base.errors import Problem
    from pimsim.config.given_keys import contradictions

    for key, before, after in contradictions([(each.option, each.text) for each in settings]):
        yield Problem(key, "", f"is given twice, by {before} and by {after}; leave one of them out")


def _given(settings: Sequence[Setting]) -> dict[str, str]:
    """Return the option that sets each key. A key that is set to null gives nothing: it takes something away."""
    from pimsim.config.given_keys import assigned

    return {key: each.option for each in settings for key, value in assigned(each.text).items() if value is not None}


def _ineffective(source: str, config: Config, settings: Sequence[Setting]) -> Iterator[Problem]:
    from pimsim.base.errors import Problem
    from pimsim.config.ineffective_keys import ineffective_keys

    given = _given(settings)
    reasons = ineffective_keys(config, given)
    harmless = _harmless(source, config, settings, reasons) if reasons else set()
    for key, reason in reasons.items():
        if key not in harmless:
            yield Problem(key, "", f"has no effect here: {reason}", source=given[key])


def _harmless(source: str, config: Config, settings: Sequence[Setting], keys: Iterable[str]) -> set[str]:
    """Find keys without effect that are not a mistake, so that none of its values stops a loop in a shell.

    Args:
        source: The config as the user names it.
        config: The config with all settings.
        settings: The settings.
        keys: Keys without effect.

    Returns:
        Keys that have an effect at other values of a number that is set beside them, and keys that --set gives the
        value that the config has anyway. A note tells of them.
    """
    from pimsim.config.given_keys import assigned, leaves
    from pimsim.config.ineffective_keys import is_step_of_loop

    before = dict(leaves(_load(source, [], machine=False).model_dump(mode="json")))
    given = {key: (each, value) for each in settings for key, value in assigned(each.text).items()}
    found = set()
    for key in keys:
        setting, value = given[key]
        same = setting.option.startswith("--set") and key in before and before[key] == value
        if same or is_step_of_loop(config, key, given.keys() - {key}):
            found.add(key)
    return found


def notes_of(source: str, config: Config, settings: Sequence[Setting], command: str) -> list[str]:
    """Say which keys of a user's files, and which settings for other commands, have no effect.

    Args:
        source: Path of a config file or of a result file, or the name of a shipped config.
        config: The config with all settings.
        settings: The settings of the command line.
        command: Name of the command.

    Returns:
        One sentence per key, the first ones only.
    """
    from pimsim.base.files import is_result_file
    from pimsim.config.given_keys import keys_of_files
    from pimsim.config.ineffective_keys import ineffective_keys, keys_of_other_commands

    of_files = {} if is_result_file(source) else keys_of_files(source)
    given = _given(settings)
    notes = [*_shadowed(source, config, given, of_files)]
    origins = of_files | given
    notes += _sentences(ineffective_keys(config, origins), origins)  # those of options are harmless, or refused before
    elsewhere = keys_of_other_commands(command, given)
    notes += (f"{key} changes no figure here: {reason} ({given[key]})" for key, reason in elsewhere.items())
    more = len(notes) - MAX_NOTES
    return notes if more <= 0 else [*notes[:MAX_NOTES], f"{more} more keys have no effect here"]


def _shadowed(source: str, config: Config, given: Mapping[str, str], of_files: Mapping[str, str]) -> Iterator[str]:
    """Say that a shipped model is used although a folder of its name is where the user names it."""
    from pathlib import Path

    from pimsim.config.model_folders import shadowed_folder

    key, name = "workload.model", config.workload.model
    if name is not None and (key in given or key in of_files):
        within = Path() if key in given else Path(source).parent
        if sentence := shadowed_folder(name, within):
            yield sentence


def _sentences(reasons: Mapping[str, str], origins: Mapping[str, str]) -> Iterator[str]:
    for key, reason in reasons.items():
        yield f"{key} has no effect here: {reason} ({origins[key]})"
