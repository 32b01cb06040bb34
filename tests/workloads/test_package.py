"""The public names of the package, and the time of its import."""

import subprocess
import sys
from pathlib import Path

import pytest

import workloads

ROOT = Path(workloads.__file__).parents[1]


def test_importing_the_package_imports_none_of_its_modules() -> None:
    # `pimsim --help` has 0.3 s; dataclasses alone take 20 ms of it on this machine.
    heavy = ("workloads.", "dataclasses", "json", "typing")
    code = (
        "import sys; before = set(sys.modules); import workloads\n"
        f"print([name for name in set(sys.modules) - before if name.startswith({heavy})])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_resolves() -> None:
    assert all(getattr(workloads, name) is not None for name in workloads.__all__)
    assert set(workloads.__all__) <= set(dir(workloads))
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = workloads.nothing
