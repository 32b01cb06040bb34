"""Loading of the config that a command is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.config.schema import Config


def load(source: str, overrides: list[str], *, machine: bool = True) -> Config:
    """Load a config from a config file, by name, or from the result file of an earlier run.

    Args:
        source: Path of a config file or of a result file, or the name of a shipped config.
        overrides: Overrides of config keys, each as "key=value".
        machine: Whether the command needs a whole machine, so that a preset of a part of one is refused.

    Returns:
        The validated config.

    Raises:
        ConfigError: If the config or an override is invalid.
        ResultFileError: If the result file cannot be read.
    """
    from pimsim.base.errors import ConfigError
    from pimsim.base.file_kinds import preset_of
    from pimsim.base.files import is_result_file
    from pimsim.base.shipped_files import list_configs
    from pimsim.config.loading import load_config

    if is_result_file(source):
        from pimsim.results.store import read_config

        return load_config(read_config(source).model_dump(mode="json"), overrides)
    if machine and (part := preset_of(Path(source).stem)) and Path(source).stem in list_configs():
        name = Path(source).stem
        raise ConfigError(
            f"is a preset of {part}, not a whole machine. Layer it over one in a file, such as mine.yaml, that says "
            f"extends: [pim-llm, {name}], and use mine.yaml",
            source,
        )
    return load_config(source, overrides)
