"""Compiled code is kept in a folder of the user's choice, so that a checkout may be read-only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_cache_folder_can_be_named(tmp_path: Path) -> None:
    """Threads and float32 exponentials only: the small functions of the kernels."""
    code = (
        "from crossbar.kernels.sums import aligned_int32 as f; import crossbar.programmed_matrix; assert f(5).size == 5"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment, timeout=120)
    assert list(tmp_path.rglob("*.nbi"))
