"""The config that a command is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.config.schema import Config


def load(source: str, overrides: list[str]) -> Config:
    """A config from a config file, or from the result file of an earlier run."""
    from pimsim.base.files import is_result_file
    from pimsim.config.loading import load_config

    if is_result_file(source):
        from pimsim.results.store import read_config

        return load_config(read_config(source).model_dump(mode="json"), overrides)
    return load_config(source, overrides)
