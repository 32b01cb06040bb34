"""Hash of the source code, so that a sweep does not reuse results that other code computed."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PACKAGES = ("crossbar", "pimsim", "workloads")
SUFFIXES = (".py", ".csv")
"""Suffixes of source code and of shipped data. Configs are not hashed here; the key of a point contains its config."""


@cache
def code_hash() -> str:
    """Compute a hash of all source files of pimsim, crossbar and workloads.

    Returns:
        32 hexadecimal digits.
    """
    import crossbar
    import pimsim.version
    import workloads

    digest = hashlib.blake2b(digest_size=16)
    for package in (crossbar, pimsim, workloads):
        folder = Path(str(package.__file__)).resolve().parent
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES and "_data" not in path.parts:
                data = path.read_bytes()
                digest.update(f"{package.__name__}/{path.relative_to(folder).as_posix()} {len(data)}\n".encode())
                digest.update(data)
    return digest.hexdigest()
