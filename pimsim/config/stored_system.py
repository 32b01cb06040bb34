"""Systems as text in result files, which are untrusted input: their machines are complete and read no other file."""

from __future__ import annotations

import yaml

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_stored_config
from pimsim.config.migration import translated
from pimsim.config.schema.system_section import ClusterSection, LinkSection, SystemSection
from pimsim.config.system_file import NO_LINK, System
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import parse_yaml

SHOWN = "system"
"""Name of the text in error messages."""


def system_text(system: System) -> str:
    """Return a system as YAML.

    Args:
        system: The system.

    Returns:
        Text for `stored_system`, with the complete configs of the machines.
    """
    tree = system.to_dict() | {
        "description": system.description,
        "cluster": system.cluster.model_dump(mode="json"),
    }
    return yaml.safe_dump(tree, sort_keys=False)


def stored_system(text: str) -> System:
    """Read a system from the text of a result file.

    Args:
        text: YAML from `system_text`; untrusted input.

    Returns:
        The system.

    Raises:
        ConfigError: If the text is not a system with complete configs.
    """
    tree = parse_yaml(text, SHOWN).tree
    if not isinstance(tree, dict) or not isinstance(tree.get("machines"), dict):
        raise ConfigError("is not a stored system", SHOWN)
    machines = tree["machines"]
    if not machines or not all(isinstance(each, dict) and "extends" not in each for each in machines.values()):
        raise ConfigError("its machines are not complete configs", SHOWN)
    if tree.get("chips") == 1:
        tree = {key: value for key, value in tree.items() if key != "chips"}
    spec, problems = validate(tree, SystemSection)
    if spec is None:
        raise ConfigError(tuple(problems.values()), SHOWN)
    configs = {str(role): load_stored_config(translated(each)) for role, each in machines.items()}
    link: LinkSection = spec.link or NO_LINK
    cluster: ClusterSection = spec.cluster
    return System(spec.name, spec.description, spec.split, configs, spec.chips or 1, link, spec.sum_bits, cluster)
