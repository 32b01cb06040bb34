"""pimsim as others get it: its wheel, and a checkout, each installed into an empty environment somewhere else.

Each test makes all it needs itself, so that pytest-xdist may give them to different workers.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from pimsim import __version__
from tests.support.counts import DEEP
from tests.support.outside_dram import DDR4, ddr4_config
from tests.support.outside_kinds import SRAM_TILE, sram_config

ROOT = Path(__file__).parents[2]
PACKAGES = ("crossbar", "pimsim", "workloads")
WHERE = "import crossbar, pimsim, workloads; print(crossbar.__file__, pimsim.__file__, workloads.__file__, sep='\\n')"
METADATA_VERSION = "from importlib.metadata import version; print(version('pimsim'))"
SHIPPED_DATA = (
    "run configs/pim-llm.yaml --set workload.model=gpt2-350m",
    "reproduce fig5",
    "trace show opt-6.7b-decode-1024",
)
TIMEOUT_S = 300


def output(folder: Path, *command: str | Path) -> str:
    """Standard output of a command that must succeed, run in a folder, without this Python's environment variables."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


class Environment:
    """A virtual environment with nothing in it. Commands run in a folder of their own beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "elsewhere"
        self.folder.mkdir()
        home = folder / "venv"
        venv.create(home, symlinks=True)
        place = {"base": str(home), "platbase": str(home)}
        self.scripts = Path(sysconfig.get_path("scripts", "venv", place))
        self.site_packages = Path(sysconfig.get_path("purelib", "venv", place))

    def run(self, program: str, *arguments: str | Path) -> str:
        return output(self.folder, self.scripts / program, *arguments)

    def pip(self, *arguments: str | Path) -> str:
        """The tests' own pip at work on this environment."""
        return output(self.folder, sys.executable, "-m", "pip", "--python", self.scripts / "python", *arguments)

    def lend_dependencies(self) -> None:
        """Those of the tests' environment, but not its pimsim: a .pth file in there is not followed."""
        lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (self.site_packages / "lent.pth").write_text("\n".join(lent), encoding="utf-8")

    def check(self, home: Path) -> None:
        """pimsim works here, and its packages are those in `home`."""
        assert self.run("python", "-c", WHERE).split("\n")[:3] == [
            str(home / name / "__init__.py") for name in PACKAGES
        ]
        assert self.run("pimsim", "--version").split() == ["pimsim", __version__]
        assert self.run("python", "-c", METADATA_VERSION).split() == [__version__]
        assert "tokens/s" in self.run("pimsim", *readme_s_first_example())
        for arguments in SHIPPED_DATA:
            assert self.run("pimsim", *shlex.split(arguments))


def readme_s_first_example() -> list[str]:
    """The arguments of the first `pimsim` command in the README's console blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    return shlex.split(re.findall(r"^\$ pimsim (.*)$", "".join(blocks), re.M)[0], comments=True)


def shipped_files() -> dict[str, Path]:
    """The files that the wheel must hold, by their names in it."""
    code = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    # Python's and Numba's caches lie in __pycache__.
    shipped = {path.relative_to(ROOT).as_posix(): path for path in code if path.parent.name != "__pycache__"}
    for folder in ("configs", "traces"):
        shipped.update({f"pimsim/_data/{folder}/{path.name}": path for path in (ROOT / folder).iterdir()})
    return shipped


def test_a_wheel_holds_what_it_should_and_works_in_an_empty_environment(tmp_path: Path) -> None:
    output(tmp_path, sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    wheel = tmp_path / f"pimsim-{__version__}-py3-none-any.whl"
    check_contents(wheel)
    environment = Environment(tmp_path)
    if DEEP:
        environment.pip("install", "--no-compile", wheel)
        environment.pip("check")
    else:
        environment.pip("install", "--no-compile", "--no-deps", wheel)
        environment.lend_dependencies()
    environment.check(environment.site_packages)
    if DEEP:
        check_outside_dram_standard(environment, tmp_path)
        check_outside_tile(environment, tmp_path)


def check_outside_dram_standard(environment: Environment, folder: Path) -> None:
    """A package of under 80 lines adds DDR4 by its wheel; without it, the message says what is registered."""
    (environment.folder / "ddr4.yaml").write_text(json.dumps(ddr4_config()), encoding="utf-8")
    with pytest.raises(AssertionError, match="'ddr4' is not a registered DRAM standard; registered: common, hbm2"):
        environment.run("pimsim", "run", "ddr4.yaml")
    output(folder, sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, DDR4)
    environment.pip("install", "--no-compile", "--no-deps", *folder.glob("ddr4_for_pimsim-*.whl"))
    assert "ddr4-for-pimsim" in environment.run("pimsim", "run", "ddr4.yaml", "--json"), "a result records the package"


def check_outside_tile(environment: Environment, folder: Path) -> None:
    """A package of under 80 lines adds a kind of tile by its wheel; `test_outside_package` runs it in this process."""
    output(folder, sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, SRAM_TILE)
    environment.pip("install", "--no-compile", "--no-deps", folder / "sram_tile-1.0-py3-none-any.whl")
    (environment.folder / "sram.yaml").write_text(json.dumps(sram_config()), encoding="utf-8")
    summary = json.loads(environment.run("pimsim", "run", "sram.yaml", "--json"))
    assert "SRAM macros" in {area["item"] for area in summary["feasibility"]["areas"]}


def check_contents(wheel: Path) -> None:
    """Code, data and licence, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = {name for name in names if name.startswith(f"pimsim-{__version__}.dist-info/")}
        shipped = shipped_files()
        assert names - metadata == set(shipped)
        assert all(archive.read(name) == path.read_bytes() for name, path in shipped.items())
    assert f"pimsim-{__version__}.dist-info/licenses/LICENSE" in metadata
    assert names >= {
        *(f"{package}/py.typed" for package in PACKAGES),
        "workloads/data/models.csv",
        "pimsim/studies/paper/data/fig5.csv",
        "pimsim/_data/configs/defaults.yaml",
        "pimsim/_data/traces/opt-6.7b-decode-1024.json",
    }


@pytest.mark.skipif(not DEEP, reason="in make test-deep only: what runs these tests is such a checkout")
def test_an_editable_checkout_works_in_an_empty_environment(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.pip("install", "--no-deps", "--editable", ROOT)
    environment.lend_dependencies()
    environment.check(ROOT)
