"""Collection of the problems of an imported file, so that a user sees all of them at once."""

from __future__ import annotations

from pimsim.base.errors import ConfigError, Problem


class ImportProblems:
    """Problems of one file. As a context manager it collects the ConfigError of its block.

    Attributes:
        found: The problems so far.
    """

    def __init__(self) -> None:
        """Start without problems."""
        self.found: list[Problem] = []

    def add(self, error: ConfigError) -> None:
        """Add the problems of an error that is not raised.

        Args:
            error: The error.
        """
        self.found += error.problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ConfigError):
            self.add(error)
            return True
        return False

    def raise_any(self, file: str) -> None:
        """Raise one error for all problems.

        Args:
            file: Path of the file.

        Raises:
            ConfigError: If there are problems; each one is listed once.
        """
        if self.found:
            raise ConfigError(list(dict.fromkeys(self.found)), file)
