"""The config that a command is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.schema import Config


def load(source: str, overrides: list[str]) -> Config:
    """A config from a config file, or from the result file of an earlier run."""
    from pimsim.config import load_config
    from pimsim.files import is_result_file

    if is_result_file(source):
        from pimsim.store import read_config

        return load_config(read_config(source).model_dump(mode="json"), overrides)
    return load_config(source, overrides)
