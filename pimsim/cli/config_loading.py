"""Loading of the config that a command is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.config.schema import Config


def load(source: str, overrides: list[str]) -> Config:
    """Load a config from a config file, by name, or from the result file of an earlier run.

    Args:
        source: Path of a config file or of a result file, or the name of a shipped config.
        overrides: Overrides of config keys, each as "key=value".

    Returns:
        The validated config.

    Raises:
        ConfigError: If the config or an override is invalid.
        ResultFileError: If the result file cannot be read.
    """
    from pimsim.base.files import is_result_file
    from pimsim.config.loading import load_config

    if is_result_file(source):
        from pimsim.results.store import read_config

        return load_config(read_config(source).model_dump(mode="json"), overrides)
    return load_config(source, overrides)
