"""System files: YAML that names machines, the link between them, and how they share the work of a model.

docs/splitting.md describes the format. Each machine is a config; the keys `workload`, `schedule`, `leakage_gating` and
`operations_per_mac` of the system hold for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pimsim.base.errors import ConfigError, Problem, did_you_mean, nearest, show
from pimsim.base.file_kinds import misplaced
from pimsim.base.shipped_files import find_config
from pimsim.config.cluster_keys import cluster_problems, roles_of
from pimsim.config.effective_config import config_differences
from pimsim.config.file_paths import relative_to_file
from pimsim.config.file_recognition import read_text
from pimsim.config.layers import Layer, mapping_layer, parse_assignment, read_layers
from pimsim.config.loading import load_config
from pimsim.config.preset_files import lacks_machine
from pimsim.config.schema import Config
from pimsim.config.schema.system_section import SHARED_SECTIONS, ClusterSection, LinkSection, Split, SystemSection
from pimsim.config.system_links import link_presets
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import parse_yaml

Source = str | Path | Mapping[str, object]

COMPARED = ("workload", "schedule", "leakage_gating", "operations_per_mac")
"""Keys of a config that all machines of a system must agree on."""

NO_LINK = LinkSection(part="none", bandwidth_bps=None, latency_s=0.0, energy_j_per_bit=0.0)
"""The link of machines that exchange nothing."""


@dataclass(frozen=True)
class System:
    """A system that is ready to run.

    Attributes:
        name: Name in reports.
        description: What the system is.
        split: What the machines share.
        machines: Config of each role.
        chips: Number of equal chips of a tensor split; 1 for other splits.
        link: The link between two machines; `NO_LINK` for replicas.
        sum_bits: Bits of a partial sum that a chip of a tensor split sends.
        cluster: How the machines serve requests.
    """

    name: str
    description: str
    split: Split
    machines: Mapping[str, Config]
    chips: int
    link: LinkSection
    sum_bits: int
    cluster: ClusterSection

    @property
    def first(self) -> Config:
        """Config of the last role, such as decode or projections; workload and schedule are those of all machines."""
        return list(self.machines.values())[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the system as plain values for JSON.

        Returns:
            The keys of a system file, with complete configs of the machines.
        """
        return {
            "name": self.name,
            "split": self.split,
            "chips": self.chips,
            "link": self.link.model_dump(mode="json"),
            "sum_bits": self.sum_bits,
            "machines": {role: config.model_dump(mode="json") for role, config in self.machines.items()},
        }


def load_system(source: Source, overrides: Sequence[str] = ()) -> System:
    """Load and validate a system.

    Args:
        source: Path of a system file, or a mapping with the same keys.
        overrides: Settings "key=value". Keys of the system file change the system, `machines.ROLE.KEY` the config of
            one machine, and any other key of a config those of all machines.

    Returns:
        The system, with the validated configs of its machines.

    Raises:
        ConfigError: If the file or a config is not valid; it lists the problems of one of them with key, value and
            line.
    """
    if isinstance(source, Mapping):
        layer, folder, name = mapping_layer(source, "system"), Path(), "system"
    else:
        path, name = find_config(source), str(source)
        document = parse_yaml(read_text(path, name), name)
        if not isinstance(document.tree, dict):
            raise ConfigError(f"a system is a mapping of keys to values, not {show(document.tree)}", name)
        if wrong := misplaced(document.tree, ("system",), name):
            raise ConfigError(wrong, name)
        layer, folder = Layer(path.name, document.tree, document.lines), path.parent
    return _Loader(layer, folder, name, overrides).system()


def _with_value(section: object, keys: Sequence[str], value: object) -> dict[str, object]:
    """Return a section with another value of one key, or of a key of a section below it."""
    tree = dict(section) if isinstance(section, Mapping) else {}
    first, *below = keys
    return tree | {first: _with_value(tree.get(first), below, value) if below else value}


class _Loader:
    """Reader of one system file with its overrides."""

    def __init__(self, layer: Layer, folder: Path, name: str, overrides: Sequence[str]) -> None:
        self.layer, self.folder, self.name = layer, folder, name
        self.common: list[str] = []
        self.of_role: dict[str, list[str]] = {}
        self.tree = dict(layer.tree)
        for text in overrides:
            self._override(text)

    def _override(self, text: str) -> None:
        """Sort an override: into the tree of the system, or to the configs of one machine or of all of them.

        Args:
            text: The override, "key=value".
        """
        key = text.partition("=")[0].strip()
        head, _, below = key.partition(".")
        role, _, of_config = below.partition(".")
        if head == "machines" and of_config:
            self.of_role.setdefault(role, []).append(text.partition(".")[2].partition(".")[2])
        elif head in SystemSection.model_fields and head not in SHARED_SECTIONS:
            value = parse_assignment(text)[1]
            if not below:
                self.tree[head] = value
            else:
                section = self.tree.get(head)
                section = {"preset": section} if isinstance(section, str) and head == "link" else section
                self.tree[head] = _with_value(section, below.split("."), value)
        else:
            self.common.append(text)

    def system(self) -> System:
        """Validate the file and load its machines.

        Returns:
            The system.

        Raises:
            ConfigError: If something is not valid.
        """
        tree = self.tree | ({"link": self._link()} if "link" in self.tree else {})
        spec, problems = validate(tree, SystemSection)
        if spec is None:
            raise self._error(
                Problem(p.path, p.value, p.message, p.suggestion, self.layer.origin(path) or "")
                for path, p in problems.items()
            )
        self._check_roles(spec)
        machines = {role: self._machine(spec, role) for role in roles_of(spec)}
        own = spec.chips or 1, spec.link or NO_LINK, spec.sum_bits, spec.cluster
        system = System(spec.name, spec.description, spec.split, machines, *own)
        if found := [*_disagreements(system), *_unsupported(system)]:
            raise self._error(found)
        return system

    def _link(self) -> dict[str, object]:
        """Return the section `link` with the figures of its preset.

        Returns:
            Keys of the section.

        Raises:
            ConfigError: If there is no such preset.
        """
        given = self.tree["link"]
        section = {"preset": given} if isinstance(given, str) else given
        if not isinstance(section, dict):
            message = f"is neither a section nor one of {', '.join(link_presets())}"
            raise self._error([Problem("link", show(given), message, "", self.layer.origin(("link",)) or "")])
        if "preset" not in section:
            return {"part": "own link", "latency_s": 0.0, "energy_j_per_bit": 0.0} | section
        preset = section["preset"]
        if preset not in link_presets():
            message = f"is not one of {', '.join(link_presets())}"
            hint = did_you_mean(str(preset), link_presets())
            raise self._error([Problem("link", show(preset), message, hint, self.layer.origin(("link",)) or "")])
        own = {key: value for key, value in section.items() if key != "preset"}
        changed = {"part": f"{preset}, changed"} if own.keys() - {"part"} else {}
        return dict(link_presets()[str(preset)]) | changed | own

    def _check_roles(self, spec: SystemSection) -> None:
        """Check the roles of the machines, and that each key has an effect with the split.

        Args:
            spec: The file.

        Raises:
            ConfigError: If a role is missing or unknown, or a key does not fit the split.
        """
        wanted, found = roles_of(spec), list[Problem]()
        for role in (*spec.machines, *self.of_role):
            if role not in wanted:
                hint = f"did you mean {near}?" if (near := nearest(role, wanted)) else ""
                message = f"is not a role of split: {spec.split}, which has {' and '.join(wanted)}"
                found.append(Problem(f"machines.{role}", "", message, hint, self._origin("machines", role)))
        for role in wanted:
            if role not in spec.machines:
                message = f"is missing: split: {spec.split} needs the machine {role}"
                found.append(Problem(f"machines.{role}", "", message, "", self._origin("machines")))
        if spec.split == "tensor" and spec.chips is None:
            found.append(Problem("chips", "", "is missing: split: tensor needs the number of chips, at least 2"))
        if spec.split != "tensor":
            for key in ("chips", "sum_bits"):
                if key in self.tree:
                    message = f"has no effect with split: {spec.split}; only split: tensor reads it"
                    found.append(Problem(key, "", message, "", self._origin(key)))
        for each in cluster_problems(spec, self.tree):
            found.append(replace(each, source=each.source or self._origin(*each.path.split("."))))
        if found:
            raise self._error(found)

    def _machine(self, spec: SystemSection, role: str) -> Config:
        """Load the config of one machine.

        Args:
            spec: The file.
            role: Role of the machine.

        Returns:
            The config.

        Raises:
            ConfigError: If it is not valid.
        """
        given = spec.machines[role]
        shared: dict[str, Any] = {
            key: value for key in SHARED_SECTIONS if (value := getattr(spec, key)) not in (None, {})
        }
        if spec.split == "phases":  # replicas need no phase: serving reads none
            shared["workload"] = {"phase": "generate"} | dict(spec.workload)
        shared = dict(relative_to_file(shared, self.folder))
        try:
            if isinstance(given, str):
                own = str(self.folder / given) if (self.folder / given).is_file() else given
                base: dict[str, Any] = {"extends": own}
                if problem := lacks_machine(read_layers(own), given):
                    raise ConfigError(problem, given)
            else:
                base = dict(given)
            workload = {**base.get("workload", {}), **shared.get("workload", {})}
            merged = base | shared | ({"workload": workload} if workload else {})
            return load_config(merged, [*self.common, *self.of_role.get(role, [])])
        except ConfigError as error:
            raise ConfigError(error.problems, f"{self.name}, machines.{role}") from None

    def _origin(self, *path: str) -> str:
        return self.layer.origin(path) or ""

    def _error(self, problems: Any) -> ConfigError:
        return ConfigError(tuple(problems), self.name)


def _disagreements(system: System) -> Iterator[Problem]:
    """Yield the keys on which the machines must agree and do not.

    Args:
        system: The system.

    Yields:
        One problem per key.
    """
    (one, first), *others = system.machines.items()
    for other, second in others:
        for each in config_differences(first, second):
            if each.key.split(".")[0] in COMPARED:
                values = f"{show(each.first)} for {one} and {show(each.second)} for {other}"
                yield Problem(each.key, "", f"is {values}; set it in the system file, for both machines")


def _unsupported(system: System) -> Iterator[Problem]:
    """Yield what a system cannot do.

    Args:
        system: The system.

    Yields:
        One problem per key.
    """
    workload = system.first.workload
    if workload.trace is not None:
        yield Problem(
            "workload.trace", show(workload.trace), "is a trace file; a system needs a model (workload.model)"
        )
    if system.split == "replicas":
        return  # each machine is served from as it is alone, and `serve` refuses what it cannot do
    if getattr(workload, "stored_tokens", 0):
        yield Problem("workload.stored_tokens", "", "must be 0: a system has no tier that stores a KV cache")
    if workload.phase == "load":
        yield Problem("workload.phase", "load", "is not a phase of a system; run the config of one machine")
    if system.split == "phases" and (workload.phase != "generate" or workload.new_tokens < 2):
        message = "does not fit split: phases, which needs a generation of at least 2 new tokens"
        what = "workload.phase" if workload.phase != "generate" else "workload.new_tokens"
        yield Problem(what, show(workload.phase if what.endswith("phase") else workload.new_tokens), message)
    if system.first.schedule == "contended":
        yield Problem("schedule", "contended", "is not a schedule of a system; use serial or dataflow")
    for role, config in system.machines.items():
        if (processor := config.machine.processor) is not None:
            yield Problem(
                f"machines.{role}.machine.{processor}",
                "",
                "computes every op of one machine; a system divides ops of machines with components, and has replicas "
                "(split: replicas) of the others",
            )
        # Keys of tiers of the KV cache, where the schema has them: nothing else would say that they have no effect.
        if getattr(config.machine, "kv_tiers", ()):
            yield Problem(
                f"machines.{role}.machine.kv_tiers", "", "must be empty: a system has no tiers of the KV cache"
            )
        if config.machine.chips.count > 1:
            message = "must be 1: each machine of a system is one chip"
            yield Problem(f"machines.{role}.machine.chips.count", str(config.machine.chips.count), message)
        if config.mapping.microbatches > 1:
            message = "must be 1 in a system"
            yield Problem(f"machines.{role}.mapping.microbatches", str(config.mapping.microbatches), message)
        if config.mapping.provisioning == "swap":
            message = "is not available in a system; use per_layer or whole_model"
            yield Problem(f"machines.{role}.mapping.provisioning", "swap", message)
