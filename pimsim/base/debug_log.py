"""Messages for the log at level DEBUG, which `pimsim --verbose` shows.

They go through Python's `logging`, to a logger with the name of the module. Without a handler nothing is shown, and
pimsim as a library configures none.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


class DebugLog:
    """Log of a module at level DEBUG.

    It does not import `logging`, which takes several milliseconds: where nobody has imported it, nobody can read a log.
    """

    __slots__ = ("_logger", "_name")

    def __init__(self, name: str) -> None:
        """Make the log of a module.

        Args:
            name: Name of the module, which is that of its logger.
        """
        self._name = name
        self._logger: logging.Logger | None = None

    @property
    def logger(self) -> logging.Logger | None:
        """The logger; None if `logging` is not imported."""
        if self._logger is None and (module := sys.modules.get("logging")) is not None:
            self._logger = module.getLogger(self._name)
        return self._logger

    @property
    def is_read(self) -> bool:
        """Whether the messages are read, so that it pays to compute what they say."""
        return self.logger is not None and self.logger.isEnabledFor(10)  # logging.DEBUG

    def __call__(self, message: str, *arguments: object) -> None:
        """Log a message.

        Args:
            message: Text with placeholders of the operator %.
            arguments: Values of the placeholders, which are put in only if the message is read.
        """
        if self.logger is not None:
            self.logger.debug(message, *arguments, stacklevel=2)
