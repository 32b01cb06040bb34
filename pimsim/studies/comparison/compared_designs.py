"""The designs of a comparison: their names, their configs and the settings on top of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pimsim.base.errors import ConfigError, Problem, did_you_mean, printable, show
from pimsim.base.files import is_result_file
from pimsim.base.shipped_files import CONFIG_SUFFIXES
from pimsim.config.given_keys import assigned, contradictions
from pimsim.config.ineffective_keys import ineffective_keys, is_step_of_loop
from pimsim.config.layers import Overrides, override_items, read_layers
from pimsim.config.loading import Source, load_config
from pimsim.config.preset_files import lacks_machine
from pimsim.config.schema import Config

MAX_NAME_CHARS = 60
SUFFIXES = (*CONFIG_SUFFIXES, ".h5", ".hdf5")


@dataclass(frozen=True, slots=True)
class Design:
    """A design of a comparison.

    Attributes:
        name: Name in tables and plots, unique in a comparison.
        source: Path of a config file or of a result file, name of a shipped config, or mapping.
        overrides: Settings of this design, as `load_config` takes them; they take precedence over those of all designs.
    """

    name: str
    source: Source | Config
    overrides: Overrides = ()


DesignLike = Design | Config | Source


@dataclass(frozen=True, slots=True)
class LoadedDesign:
    """A design that is ready to be loaded for each workload.

    Attributes:
        name: Name of the design.
        source: Where the config is read from; the mapping of a config that was already loaded.
        shown: What the user gave, for messages and reports.
        settings: Settings on top of it, each "key=value".
        config: The config with these settings, and with its own workload.
        tree: That config as plain values in SI units.
    """

    name: str
    source: Source
    shown: str
    settings: tuple[str, ...]
    config: Config
    tree: Mapping[str, Any]

    def with_workload(self, changes: Mapping[str, object]) -> Config:
        """Return the config with another workload, equal to the one that `load_config` would return.

        Args:
            changes: Values by key of the section `workload`.

        Returns:
            The config of one point of the comparison.

        Raises:
            ConfigError: If the config is not valid with them.
        """
        tree = {**self.tree, "workload": {**self.tree["workload"], **changes}}
        try:
            # The tree is in SI numbers: no file is read and no unit converted, 0.3 in place of 2 ms for a point.
            return Config.model_validate_json(json.dumps(tree))
        except ValidationError:
            return load_config(self.source, [*self.settings, *workload_texts(changes)])

    @property
    def origin(self) -> Source | None:
        """Path or name from which the config was read; None for a mapping, whose files are not known."""
        return None if isinstance(self.source, Mapping) else self.source


def load_designs(designs: Sequence[DesignLike] | Mapping[str, DesignLike], overrides: Overrides) -> list[LoadedDesign]:
    """Load the configs of a comparison.

    Args:
        designs: The designs in order, or designs by name.
        overrides: Settings on top of all of them.

    Returns:
        The designs, each with its config.

    Raises:
        ConfigError: If there are fewer than two designs, two have the same name, a name is not usable, a config is not
            that of a whole machine or not valid.
        ResultFileError: If a result file cannot be read.
    """
    named = _named(designs)
    if len(named) < 2:
        count = "one design" if named else "no design"
        raise ConfigError(f"{count}, and a comparison needs two or more; pimsim run shows a single one", "designs")
    for design in named:
        _check_name(design.name)
    names = [design.name for design in named]
    if twice := next((name for name in names if names.count(name) > 1), None):
        given = " and ".join(_shown(each.source) for each in named if each.name == twice)
        raise ConfigError(
            f"two designs have the name {show(twice)} ({given}); give one of them another name, as in "
            f"{twice}-2={_shown(named[-1 - names[::-1].index(twice)].source)}",
            "designs",
        )
    return [_loaded(design, overrides) for design in named]


def setting_texts(overrides: Overrides) -> list[str]:
    """Return overrides as texts, which can be combined with others.

    Args:
        overrides: A list of texts, or a mapping from dotted keys to Python values.

    Returns:
        Texts "key=value" with the values as YAML.

    Raises:
        ConfigError: If `overrides` is neither.
    """
    return [each if isinstance(each, str) else f"{each[0]}={_yaml(each[1])}" for each in override_items(overrides)]


def workload_texts(changes: Mapping[str, object]) -> list[str]:
    """Return changes of a workload as settings.

    Args:
        changes: Values by key of the section `workload`.

    Returns:
        Texts "workload.key=value".
    """
    return [f"workload.{key}={_yaml(value)}" for key, value in changes.items()]


def parse_design(text: str) -> Design:
    """Read a design as the command line takes it.

    Args:
        text: Path or name of a config, or NAME=CONFIG.

    Returns:
        The design; without a name of its own it has that of the file, without its folder and suffix.
    """
    name, equals, source = text.partition("=")
    if equals and not _exists(text):
        return Design(name.strip(), source.strip())
    return Design(_stem(text), text)


def _named(designs: Sequence[DesignLike] | Mapping[str, DesignLike]) -> list[Design]:
    if isinstance(designs, Mapping):
        return [
            Design(name, each.source, each.overrides) if isinstance(each, Design) else Design(name, each)
            for name, each in designs.items()
        ]
    if isinstance(designs, str | Path | Config):
        return [_design(designs)]
    return [_design(each) for each in designs]


def _design(given: DesignLike) -> Design:
    if isinstance(given, Design):
        return given
    if isinstance(given, Config):
        return Design(given.name, given)
    if isinstance(given, Mapping):
        return Design(str(given.get("name", "config")), given)
    return Design(_stem(str(given)), given)


def _stem(text: str) -> str:
    path = Path(text)
    return path.stem if path.suffix in SUFFIXES else path.name


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


def _shown(source: Source | Config) -> str:
    if isinstance(source, Config):
        return printable(source.name, 200)
    return "a mapping" if isinstance(source, Mapping) else printable(str(source), 200)


def _check_name(name: str) -> None:
    if not name or not name.isprintable() or len(name) > MAX_NAME_CHARS or ":" in name or "=" in name:
        raise ConfigError(
            f"{show(name)} is not a name of a design: 1 to {MAX_NAME_CHARS} printable characters without : and =; "
            "NAME=CONFIG gives it another one",
            "designs",
        )


def _loaded(design: Design, overrides: Overrides) -> LoadedDesign:
    source, shown = design.source, _shown(design.source)
    if isinstance(source, Config):
        source = source.model_dump(mode="json")
    elif not isinstance(source, Mapping) and is_result_file(source):
        from pimsim.results.store import read_config

        source = read_config(source).model_dump(mode="json")
    elif problem := lacks_machine(read_layers(source), shown):
        raise ConfigError(problem, shown)
    settings = (*setting_texts(overrides), *setting_texts(design.overrides))
    try:
        config = load_config(source, settings)
    except ConfigError as error:
        name = shown if shown == design.name else f"{design.name} ({shown})"
        problems = [_with_advice(each) if each.source == "--set" else each for each in error.problems]
        raise ConfigError(problems, name) from None
    return LoadedDesign(design.name, source, shown, settings, config, config.model_dump(mode="json"))


def _with_advice(problem: Problem) -> Problem:
    """Return a problem of a setting, which may suit the other designs, with the way to set it in those only."""
    advice = "--set DESIGN:KEY=VALUE sets a key in one design only"
    return replace(problem, suggestion=f"{problem.suggestion}; {advice}" if problem.suggestion else advice)


def check_effects(configs: Mapping[str, Config], texts: Sequence[str]) -> list[str]:
    """Refuse settings of all designs that have an effect in none of them.

    Args:
        configs: Config of each design by name, at a workload of the comparison.
        texts: Settings of all designs, each "key=value".

    Returns:
        Sentences about settings that have no effect in some of the designs, as "design: sentence".

    Raises:
        ConfigError: Lists all settings without any effect, and those that contradict each other.
    """
    given = {key: text for text in texts for key, value in assigned(text).items() if value is not None}
    problems = [
        Problem(key, "", f"is given twice, by {before} and by {after}; leave one of them out")
        for key, before, after in contradictions([(f"--set {text}", text) for text in texts])
    ]
    reasons = {name: ineffective_keys(config, given) for name, config in configs.items()}
    for key, text in given.items():
        loops = any(is_step_of_loop(config, key, given.keys() - {key}) for config in configs.values())
        if not loops and all(key in of_design for of_design in reasons.values()):
            first = next(iter(reasons.values()))[key]
            problems.append(Problem(key, "", f"has no effect in any design: {first}", source=f"--set {text}"))
    if problems:
        raise ConfigError(problems, "designs")
    return [
        f"{name}: {key} has no effect here: {reason}"
        for name, of_design in reasons.items()
        for key, reason in of_design.items()
    ]


def check_workload_settings(designs: Sequence[LoadedDesign], options: Mapping[str, Collection[str]]) -> None:
    """Refuse settings of keys that an option of the comparison sets for all designs.

    Args:
        designs: The designs with their settings.
        options: Keys that each given option sets, by name of the option.

    Raises:
        ConfigError: If a setting has one of these keys; it would have no effect.
    """
    for design in designs:
        for text in design.settings:
            for option, keys in options.items():
                if key := next((key for key in assigned(text) if key in keys), None):
                    message = f"is given twice, by --set {text} and by {option}; leave one of them out"
                    raise ConfigError([Problem(key, "", message)], design.name)


def find_baseline(names: Sequence[str], baseline: str | None, printed: Iterable[str] = ()) -> str:
    """Return the name of the design to which ratios refer.

    Args:
        names: Names of the designs.
        baseline: Name that the user gave; None means the first design.
        printed: Names of published designs, which cannot be the baseline.

    Returns:
        The name.

    Raises:
        ConfigError: If no simulated design has this name.
    """
    if baseline is None:
        return names[0]
    if baseline in names:
        return baseline
    if baseline in printed:
        raise ConfigError(
            f"{show(baseline)} has printed values only, and ratios are those of simulated ones", "baseline"
        )
    hint = did_you_mean(baseline, names)
    listed = f"the designs are {', '.join(names)}"
    raise ConfigError(f"{show(baseline)} is none of the designs; {hint or listed}", "baseline")


def _yaml(value: object) -> str:
    return json.dumps(value)
