"""Shell completion of names and keys: configs, sweeps, models, traces, config keys and their values.

The functions run only when a shell asks for completions (`pimsim --install-completion` sets that up). They import what
they need themselves, so that no command starts more slowly. None of them raises: a shell has no place for a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

Complete = Callable[[str], list[str]]

MAX_FILES = 200


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    """List files and folders as a shell does, but only files with some suffixes.

    Args:
        incomplete: What was typed so far.
        suffixes: Suffixes of the files.

    Returns:
        Paths that begin with it; folders end in a slash.
    """
    folder, _, start = incomplete.rpartition("/")
    beginning = f"{folder}/" if "/" in incomplete else ""
    try:
        found = sorted(Path(beginning or ".").expanduser().iterdir())[:MAX_FILES]
        shown = [(path.name, path.is_dir()) for path in found if path.name.startswith(start)]
    except (OSError, ValueError):
        return []
    hidden = start.startswith(".")
    return [
        f"{beginning}{name}{'/' if folder_ else ''}"
        for name, folder_ in shown
        if (folder_ or name.endswith(suffixes)) and (hidden or not name.startswith("."))
    ]


def complete_config(incomplete: str) -> list[str]:
    """Complete the name of a shipped config, or the path of a config or of a result.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names and paths; presets of parts of a machine are not among them.
    """
    return complete_machine(incomplete) + _files(incomplete, (".yaml", ".yml", ".h5"))


def complete_machine(incomplete: str) -> list[str]:
    """Complete the name of a shipped config of a whole machine.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names.
    """
    from pimsim.config.preset_files import shipped_machines

    return _starting(shipped_machines(), incomplete)


def complete_any_config(incomplete: str) -> list[str]:
    """Complete as `complete_config`, with the presets.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names and paths.
    """
    from pimsim.base.shipped_files import list_configs

    return _starting(list_configs(), incomplete) + _files(incomplete, (".yaml", ".yml", ".h5"))


def complete_sweep(incomplete: str) -> list[str]:
    """Complete the name of a shipped sweep, or the path of a sweep file.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names and paths.
    """
    from pimsim.base.shipped_files import list_sweeps

    return _starting(list_sweeps(), incomplete) + _files(incomplete, (".yaml", ".yml"))


def complete_trace(incomplete: str) -> list[str]:
    """Complete the name of a shipped trace, or the path of a trace file.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names and paths.
    """
    from pimsim.base.shipped_files import list_traces

    return _starting(list_traces(), incomplete) + _files(incomplete, (".json",))


def complete_requests(incomplete: str) -> list[str]:
    """Complete the name of a shipped file of requests, or the path of one.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names and paths.
    """
    from pimsim.base.shipped_files import list_requests

    return _starting(list_requests(), incomplete) + _files(incomplete, (".jsonl", ".json", ".csv", ".gz"))


def complete_search(incomplete: str) -> list[str]:
    """Complete the path of a search file; none ships with pimsim.

    Args:
        incomplete: What was typed so far.

    Returns:
        Paths.
    """
    return _files(incomplete, (".yaml", ".yml"))


def complete_validation_row(incomplete: str) -> list[str]:
    """Complete a row, a group or a kind of rows of `pimsim validate`.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names.
    """
    from pimsim.studies.validation import row_names

    return _starting(row_names(), incomplete)


def complete_item(incomplete: str) -> list[str]:
    """Complete a figure or table of the paper.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names, those of both accountings.
    """
    from pimsim.studies.paper import ACCOUNTINGS, known_items

    names = dict.fromkeys(name for accounting in ACCOUNTINGS for name in known_items(accounting))
    return _starting(names, incomplete)


def complete_macro(incomplete: str) -> list[str]:
    """Complete the name of a published macro.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names.
    """
    from pimsim.studies.macros import macro_names

    return _starting(macro_names(), incomplete)


def complete_model(incomplete: str) -> list[str]:
    """Complete the name or alias of a model, or the path of a config.json or GGUF file.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names and paths.
    """
    from pimsim.config.model_catalog import model_rows

    names = [name for row in model_rows() for name in (row["name"], *row["aliases"])]
    return _starting(names, incomplete) + _files(incomplete, (".json", ".gguf"))


def complete_tier(incomplete: str) -> list[str]:
    """Complete the name of a memory tier.

    Args:
        incomplete: What was typed so far.

    Returns:
        Names.
    """
    from pimsim.config.memory_tiers import memory_tiers

    return _starting(memory_tiers(), incomplete)


def complete_key(incomplete: str) -> list[str]:
    """Complete a config key, one section at a time.

    Args:
        incomplete: What was typed so far.

    Returns:
        Keys; those of sections end in a dot if others begin with them.
    """
    from pimsim.config.json_schema import schema_index
    from pimsim.config.schema import Config

    index = schema_index(Config)
    above, dot, _ = incomplete.rpartition(".")
    keys = [f"{above}{dot}{key}" for key in index.keys(tuple(above.split(".")) if above else ())]
    return [f"{key}." if index.keys(tuple(key.split("."))) else key for key in _starting(keys, incomplete)]


def complete_key_or_ending(incomplete: str) -> list[str]:
    """Complete a config key, or an ending of one that no other key has, one section at a time.

    Args:
        incomplete: What was typed so far.

    Returns:
        Keys as `complete_key` lists them, and such endings; those of sections have a dot as their last character.
    """
    from collections import Counter

    from pimsim.config.json_schema import schema_index
    from pimsim.config.schema import Config

    if not incomplete:  # all endings of all keys are too many to choose from
        return complete_key(incomplete)
    steps = [key.split(".") for key in schema_index(Config).keys_below()]
    endings = Counter(".".join(path[at:]) for path in steps for at in range(len(path)))
    found = dict.fromkeys(complete_key(incomplete))
    for ending in _starting((name for name, count in endings.items() if count == 1), incomplete):
        dot = ending.find(".", len(incomplete))
        found[ending if dot < 0 else ending[: dot + 1]] = None
    return [each for each in found if f"{each}." not in found]


def complete_setting(incomplete: str) -> list[str]:
    """Complete an override "key=value": the key, and values of a key that has a fixed set of them.

    Args:
        incomplete: What was typed so far.

    Returns:
        Texts "key=" and "key=value".
    """
    from pimsim.config.json_schema import schema_index
    from pimsim.config.schema import Config

    key, equals, _ = incomplete.partition("=")
    if not equals:
        return [name if name.endswith(".") else f"{name}=" for name in complete_key(incomplete)]
    index, path = schema_index(Config), tuple(key.split("."))
    kinds = index.kinds(path)
    values = index.choices(path) + (["true", "false"] if "true or false" in kinds else [])
    if key == "workload.model":
        return [f"{key}={name}" for name in complete_model(incomplete.partition("=")[2])]
    return _starting([f"{key}={value}" for value in (*values, *(["null"] if "null" in kinds else []))], incomplete)


def one_of(*names: str) -> Complete:
    """Return a function that completes one of a few words.

    Args:
        names: The words.

    Returns:
        The function.
    """
    return lambda incomplete: _starting(names, incomplete)
