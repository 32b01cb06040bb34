"""kill -9 at any moment of a sweep, then --resume: the file is that of a sweep that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pimsim.studies.sweep.sweeps import assert_same_points, write_sweep_file
from tests.support.command_line import interruptible
from tests.support.counts import DEEP, scaled
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")

KILLS = scaled(1, 100)
SECONDS = 120


def command(spec: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pimsim", "sweep", str(spec), "--out", str(out), "--json", *options]


def sweep(spec: Path, out: Path, *options: str) -> None:
    done = subprocess.run(command(spec, out, *options), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def start(spec: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(spec, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, float]:
    """The sweep file, the result of one run in peace, and how long that took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    spec, out = write_sweep_file(folder), folder / "out.h5"
    begun = time.perf_counter()
    sweep(spec, out, "--workers", "2")
    return spec, out, time.perf_counter() - begun


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_sweep_is_continued(undisturbed: tuple[Path, Path, float], tmp_path: Path, seed: int) -> None:
    spec, expected, seconds = undisturbed
    out, chance = tmp_path / "out.h5", random.Random(seed)
    workers = ("--workers", str(1 + seed % 2))
    process = start(spec, out, *workers)
    time.sleep(chance.uniform(0.1, 1.1) * seconds)
    process.kill()
    process.communicate()
    sweep(spec, out, *workers, "--resume")
    assert_same_points(out, expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.h5"]


@pytest.mark.skipif(not DEEP, reason="in make test-deep only")
def test_killed_again_and_again_it_still_ends(undisturbed: tuple[Path, Path, float], tmp_path: Path) -> None:
    spec, expected, seconds = undisturbed
    out, chance = tmp_path / "out.h5", random.Random("again")
    for _ in range(10):
        process = start(spec, out, "--workers", "2", "--resume")
        time.sleep(chance.uniform(0.4, 1) * seconds)
        process.kill()
        process.communicate()
    sweep(spec, out, "--resume")
    assert_same_points(out, expected)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_the_workers_of_a_killed_sweep_do_not_stay(undisturbed: tuple[Path, Path, float], tmp_path: Path) -> None:
    spec, _, _ = undisturbed
    process = start(spec, tmp_path / "out.h5", "--workers", "2")
    workers = wait_until(lambda: set(descendants(process.pid)) if journal_lines(tmp_path) > 1 else set())
    process.kill()
    process.communicate()
    assert len(workers) >= 2
    wait_until(lambda: not workers & set(descendants(None)))


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(
    undisturbed: tuple[Path, Path, float], tmp_path: Path
) -> None:
    spec, expected, _ = undisturbed
    out = tmp_path / "out.h5"
    process = start(spec, out, "--workers", "2")
    wait_until(lambda: journal_lines(tmp_path) > 1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, error = process.communicate(timeout=SECONDS)
    if process.returncode == 0:
        pytest.skip("it had ended before the signal came")
    assert process.returncode == 130
    assert "interrupted; finished points are in" in error
    assert "--resume" in error
    assert "Traceback" not in error
    assert not out.exists()
    done = journal_lines(tmp_path)
    refused = subprocess.run(command(spec, out), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (refused.returncode, refused.stdout) == (9, "")
    assert "--resume continues it" in refused.stderr
    assert journal_lines(tmp_path) == done
    sweep(spec, out, "--resume")
    assert_same_points(out, expected)


def journal_lines(folder: Path) -> int:
    path = folder / "out.h5.journal"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def descendants(of: int | None) -> list[int]:
    """Processes below one, or all of them, that are alive."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    if of is None:
        return list(parents)
    found = [pid for pid, parent in parents.items() if parent == of]
    return found + [below for pid in found for below in descendants(pid)]
