"""Which code computes: a hash of the source of the packages, so that an edited model does not reuse old results."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PACKAGES = ("crossbar", "pimsim", "workloads")
SUFFIXES = (".py", ".csv")
"""Code, and the data that it is shipped with. Configs are not among it: a point's key has its whole config."""


@cache
def code_hash() -> str:
    """32 hexadecimal digits that change with any source file of pimsim, crossbar or workloads."""
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
