"""Git revision of the code that writes a result."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path


@cache
def git_revision() -> str:
    """Return the commit of the checkout that contains this code; never raises an error.

    Returns:
        Hexadecimal commit, with "-dirty" appended if files have changed; empty if the code is not in a checkout of its
        own, for example inside the checkout of another project.
    """
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return ""
    # Inside a git hook, these variables would direct git to another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        output = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(top), *describe],
            capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=5, check=True, env=environment,
        ).stdout.strip()  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return output if re.fullmatch("[0-9a-f]{40,64}(-dirty)?", output) else ""
