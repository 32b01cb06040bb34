"""What a command may load. Which module may import which is import-linter's to check (`make lint`, pyproject.toml)."""

import subprocess
import sys
from pathlib import Path

import pytest

# A module that was made and not imported has no specification: `pimsim.cli.quick_start` puts one in place of a search.
IMPORTED = "[name for name, module in [*sys.modules.items()] if getattr(module, '__spec__', None)]"
LOADED = f"sys.stderr.write(' '.join({IMPORTED}))"
IMPORT = f"import sys, pimsim; {LOADED}"
COMMAND = f"""
import sys
from pimsim.cli.app import main
try:
    main()
finally:
    {LOADED}
"""


def packages_after(code: str, *arguments: str, folder: Path | None = None) -> set[str]:
    """The packages in sys.modules when this code, run in a Python of its own, has ended well."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_importing_pimsim_loads_no_library() -> None:
    packages = packages_after(IMPORT)
    assert "pimsim" in packages
    assert not packages & {"h5py", "numba", "numpy", "pandas", "pydantic", "rich", "simpy", "typer", "yaml"}


def test_help_loads_no_simulator() -> None:
    packages = packages_after(COMMAND, "--help")
    assert "typer" in packages
    assert not packages & {"h5py", "numba", "numpy", "pandas", "pydantic", "simpy", "yaml"}


@pytest.mark.parametrize("options", [[], ["--json", "--set", "schedule=contended"]], ids=["summary", "contended"])
def test_a_run_loads_no_compiler_and_no_data_library(options: list[str], tmp_path: Path) -> None:
    packages = packages_after(COMMAND, "run", "pim-llm", *options, folder=tmp_path)
    assert {"pydantic", "simpy"} <= packages
    assert not packages & {"h5py", "llvmlite", "matplotlib", "numba", "pandas", "scipy"}
