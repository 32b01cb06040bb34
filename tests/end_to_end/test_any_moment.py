"""kill -9, Ctrl-C and SIGTERM at any moment of a command, from its first import: nothing is lost or left half done.

Each case starts a command that replaces an earlier result, stops it after a random part of its usual time, and looks at
what is left. No assertion depends on where the command was: it may also have finished. Sweeps and searches are then
resumed, and must end with the points of an undisturbed run.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from pimsim.results.store import result_format
from tests.support.command_line import SECONDS, interruptible
from tests.support.counts import DEEP
from tests.support.searches import SEARCH
from tests.support.sweeps import TEXT, assert_same_points, write_sweep_file

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX systems have them"),
    pytest.mark.timeout(600),
]

SMALL = ("pim-llm", "--set", "workload.model=gpt2-small")
COMMANDS = {
    "run": ("run", *SMALL, "--schedule", "dataflow"),
    "serve": ("serve", *SMALL, "--poisson", "20", "--count", "300", "--prompt", "8", "--output", "uniform:1:20"),
    "accuracy": ("accuracy", "pim-llm", "--tokens", "32", "--chips", "1", "--vary", "adc-bits=6,8"),
    "sweep": ("sweep", "many.yaml", "--workers", "2"),
    "optimize": ("optimize", "search.yaml"),
}
SIGNALS = {"kill": signal.SIGKILL, "ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM}
RESUMED = ("sweep", "optimize")
CASES = (
    [(name, how, seed) for name in COMMANDS for how in SIGNALS for seed in range(10 if how == "sigterm" else 20)]
    if DEEP
    else [("run", "sigterm", 0)]
)
"""In the deep profile 100 kills, 100 interrupts and 50 SIGTERMs."""


@dataclass(frozen=True)
class Finished:
    """An undisturbed run: its folder, and how long it took."""

    folder: Path
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Return a function that gives the undisturbed run of a command, which happens once."""

    @lru_cache
    def run(name: str) -> Finished:
        folder = inputs(tmp_path_factory.mktemp(name))
        began = time.monotonic()
        process = start(name, folder)
        _, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, errors
        return Finished(folder, time.monotonic() - began)

    return run


def inputs(folder: Path) -> Path:
    write_sweep_file(folder, TEXT.replace("stop: 160", "stop: 40"))
    search = yaml.safe_dump({**SEARCH, "trials": 12})
    (folder / "search.yaml").write_text(search, encoding="utf-8")
    return folder


def start(name: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pimsim", *COMMANDS[name], "--out", "out.h5", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        preexec_fn=interruptible,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.parametrize(("name", "how", "seed"), CASES)
def test_a_command_that_is_stopped_at_any_moment(
    name: str, how: str, seed: int, undisturbed: object, tmp_path: Path
) -> None:
    assert callable(undisturbed)
    finished: Finished = undisturbed(name)
    folder, out = inputs(tmp_path), tmp_path / "out.h5"
    if name not in RESUMED:
        out.write_bytes((finished.folder / "out.h5").read_bytes())
    process = start(name, folder)
    moment = random.Random(f"{name} {how} {seed}").uniform(0.05, 1.0)
    time.sleep(moment * finished.seconds)
    if how == "ctrl-c":
        os.killpg(process.pid, SIGNALS[how])  # as a terminal does: to the workers too
    else:
        process.send_signal(SIGNALS[how])
    _, errors = process.communicate(timeout=SECONDS)
    check_end(process.returncode, how, errors)
    check_files(out, name, how)
    if name in RESUMED:
        again = start(name, folder, "--resume")
        _, errors = again.communicate(timeout=SECONDS)
        assert again.returncode == 0, errors
        assert_same_points(out, finished.folder / "out.h5")


def check_end(code: int, how: str, errors: str) -> None:
    if how == "kill":
        assert code in (-signal.SIGKILL, 0), errors
        return
    if code in (-SIGNALS[how], 1):  # Python itself was still starting
        assert "pimsim/cli" not in errors
        assert "interrupted" not in errors
        return
    assert code in (130, 0), errors
    assert "Traceback" not in errors
    assert "internal error" not in errors
    if code == 130:
        assert "interrupted" in errors
        assert len(errors.splitlines()) <= 2, errors


def check_files(out: Path, name: str, how: str) -> None:
    """A result is whole, and only a kill may leave a file that was being written."""
    formats = {"run": "pimsim-result", "serve": "pimsim-serving", "accuracy": "pimsim-accuracy"}
    if out.exists():
        assert result_format(out) == formats.get(name, "pimsim-sweep")
    known = {"many.yaml", "search.yaml", "out.h5", "out.h5.journal", "out.h5.study"}
    left = {path.name for path in out.parent.iterdir()} - known
    assert not left or (how == "kill" and all(each.startswith(".pimsim-") for each in left)), left
    if name not in RESUMED:
        assert out.exists()
        assert not {"out.h5.journal", "out.h5.study"} & {path.name for path in out.parent.iterdir()}
