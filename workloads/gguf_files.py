"""Recognition of GGUF files."""

from __future__ import annotations

import os
from pathlib import Path

ENDING = ".gguf"
MAGIC = b"GGUF"


def is_gguf(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is that of a GGUF file.

    Args:
        path: Path or name.

    Returns:
        True if its name ends in .gguf and it is not a folder, or if it is a file that begins with the letters GGUF,
        such as one in the store of Ollama.
    """
    file = Path(path)
    try:
        if file.name.lower().endswith(ENDING):
            return not file.is_dir()
        if file.suffix == ".json" or not file.is_file():  # never opens a FIFO, which could block
            return False
        with file.open("rb") as opened:
            return opened.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):  # a path that the system does not accept
        return False
