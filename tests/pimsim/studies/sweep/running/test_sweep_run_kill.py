"""kill -9 at any moment of a sweep, then --resume: the file is that of a sweep that nothing disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pimsim.studies.sweep.running.sweep_run import Status, SweepInterrupted, run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from tests.support.command_line import interruptible
from tests.support.counts import DEEP, scaled
from tests.support.sweeps import TEXT, assert_same_points, write_sweep_file
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do"),
    pytest.mark.timeout(600),
]

KILLS = scaled(1, 50)
SECONDS = 120
POINTS = 960
"""Points of the sweep that is killed: so many that a quarter of them are in the journal long before the end."""


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
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a sweep file, and the result file of a run of it that nothing disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    spec, out = write_sweep_file(folder, TEXT.replace("stop: 160", "stop: 480")), folder / "out.h5"
    sweep(spec, out, "--workers", "2")
    return spec, out


def kill_at(process: subprocess.Popen[str], folder: Path, lines: int) -> None:
    """Kill a sweep when its journal has this number of lines, which is far from the number at its end."""
    wait_until(lambda: journal_lines(folder) >= lines or process.poll() is not None)
    process.kill()
    assert process.wait() == -signal.SIGKILL, process.communicate()
    process.communicate()


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_sweep_is_continued(finished: tuple[Path, Path], tmp_path: Path, seed: int) -> None:
    spec, expected = finished
    out, chance = tmp_path / "out.h5", random.Random(seed)
    workers = ("--workers", str(1 + seed % 2))
    kill_at(start(spec, out, *workers), tmp_path, chance.randrange(1, POINTS // 4))
    sweep(spec, out, *workers, "--resume")
    assert_same_points(out, expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.h5"]


@pytest.mark.skipif(not DEEP, reason="in make test-deep only")
def test_killed_again_and_again_it_still_ends(finished: tuple[Path, Path], tmp_path: Path) -> None:
    spec, expected = finished
    out, chance = tmp_path / "out.h5", random.Random("again")
    for _ in range(10):
        more = chance.randrange(1, POINTS // 40)
        kill_at(start(spec, out, "--workers", "2", "--resume"), tmp_path, journal_lines(tmp_path) + more)
    sweep(spec, out, "--resume")
    assert_same_points(out, expected)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_the_workers_of_a_killed_sweep_do_not_stay(finished: tuple[Path, Path], tmp_path: Path) -> None:
    spec, _ = finished
    process = start(spec, tmp_path / "out.h5", "--workers", "2")
    workers = wait_until(lambda: set(descendants(process.pid)) if journal_lines(tmp_path) > 1 else set())
    process.kill()
    process.communicate()
    assert len(workers) >= 2
    wait_until(lambda: not workers & set(descendants(None)))


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Of 6,000 points, of which some dozens are finished when the interrupt comes."""
    spec, out = write_sweep_file(tmp_path, TEXT.replace("stop: 160", "stop: 3000")), tmp_path / "out.h5"
    process = start(spec, out, "--workers", "2")
    wait_until(lambda: journal_lines(tmp_path) > 1 or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, error = process.communicate(timeout=SECONDS)
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
    assert points_kept(spec, out) == done - 1, "the first line is the header"


def points_kept(spec: Path, out: Path) -> int:
    """Resume a sweep until it has reported how many points it keeps."""
    seen: list[Status] = []

    def stop(status: Status) -> None:
        seen.append(status)
        raise KeyboardInterrupt

    with pytest.raises(SweepInterrupted):
        run_sweep(load_sweep(spec), out, workers=1, resume=True, progress=stop)
    return seen[0].kept


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
