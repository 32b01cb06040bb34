"""Run the tests with large counts, folder by folder, and keep what has passed, so that a stopped run continues.

    make test-deep                                      # all folders that have not passed on this revision
    python -m tools.deep_tests tests/crossbar tests/pimsim/engine
    python -m tools.deep_tests --again                  # all folders, also those that have passed
    python -m tools.deep_tests --results                # the table of this revision, without a run

A folder counts as passed on the commit that is checked out, if no tracked file differs from it. Results lie in
build/deep-tests.jsonl and outputs in build/deep-tests/, which `make clean` removes. The exit code is 1 if a test
failed, and 130 after Ctrl-C, which loses only the folder that runs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "deep-tests.jsonl"
LOGS = ROOT / "build" / "deep-tests"
CHANGED = "changed"
"""Stands for a commit with changes, whose results are never those of another run."""
NO_TESTS = 5
"""Exit code of pytest if no test was selected."""
LAST_LINE = re.compile(r"^=*\s*(\d+ (?:passed|failed|skipped|error).*?) in [\d.]+s")


@dataclass(frozen=True, slots=True)
class Part:
    """Result of the tests of one folder.

    Attributes:
        revision: Commit, or `CHANGED`.
        folder: Folder, relative to the repository.
        passed: Whether no test failed.
        counts: Last line of pytest, such as "70 passed, 2 skipped".
        seconds: Time of the run.
    """

    revision: str
    folder: str
    passed: bool
    counts: str
    seconds: float


def folders(root: Path = ROOT) -> list[str]:
    """Return the folders that have test files, in order."""
    return sorted({str(path.parent.relative_to(root)) for path in (root / "tests").rglob("test_*.py")})


def revision(root: Path = ROOT) -> str:
    """Return the commit that is checked out, or `CHANGED` if files differ from it or there is no repository."""
    try:
        if git(root, "status", "--porcelain", "--untracked-files=no"):
            return CHANGED
        return git(root, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return CHANGED


def git(root: Path, *words: str) -> str:
    """Return what a command of git prints."""
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout.strip()


def load(file: Path = RESULTS) -> list[Part]:
    """Return the results of earlier runs; a line that was not finished is left out."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            found.append(Part(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def newest(parts: Iterable[Part], commit: str) -> dict[str, Part]:
    """Return the last result of each folder on a commit."""
    return {part.folder: part for part in parts if part.revision == commit}


def to_run(chosen: Sequence[str], parts: Iterable[Part], commit: str) -> list[str]:
    """Return the folders that have not passed on a commit."""
    known = {} if commit == CHANGED else newest(parts, commit)
    return [folder for folder in chosen if folder not in known or not known[folder].passed]


def run(folder: str, commit: str, workers: int) -> Part:
    """Run the tests directly in a folder, with the output in a file.

    Args:
        folder: Folder, relative to the repository.
        commit: Revision of the result.
        workers: Number of processes.

    Returns:
        The result.
    """
    log = LOGS / f"{folder.replace('/', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("test_*.py"))
    command = [sys.executable, "-m", "pytest", "-n", str(workers), "--dist", "worksteal", *files]
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        environment = {**os.environ, "PIMSIM_TEST_PROFILE": "deep"}
        code = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT).returncode
    counts = counted(log.read_text(encoding="utf-8", errors="replace")) or f"exit code {code}"
    return Part(commit, folder, code in (0, NO_TESTS), counts, round(time.monotonic() - began, 1))


def counted(output: str) -> str:
    """Return the counts in the last line of pytest's output; empty if there are none."""
    for line in reversed(output.splitlines()):
        found = LAST_LINE.match(line)
        if found:
            return found[1]
    return ""


def add(part: Part, file: Path = RESULTS) -> None:
    """Add a result to the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(asdict(part)) + "\n")


def table(parts: Iterable[Part]) -> str:
    """Return results as a Markdown table, with the sum of the times."""
    rows = sorted(parts, key=lambda part: part.folder)
    lines = ["| folder | result | time |", "| --- | --- | ---: |"]
    lines += [
        f"| `{part.folder}` | {'' if part.passed else '**failed** '}{part.counts} | {part.seconds:.0f} s |"
        for part in rows
    ]
    passed, seconds = sum(part.passed for part in rows), sum(part.seconds for part in rows)
    return "\n".join([*lines, f"| all | {passed} of {len(rows)} folders passed | {seconds:.0f} s |"])


def main() -> int:
    """Run what is chosen; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="folders with tests; default: all")
    parser.add_argument("--again", action="store_true", help="also those that have passed on this revision")
    parser.add_argument("--results", action="store_true", help="only print the results of this revision")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; default: one per core")
    options = parser.parse_args()
    known, commit = folders(), revision()
    for folder in options.folders:
        if folder.rstrip("/") not in known:
            parser.error(f"{folder} has no tests; folders with tests: {', '.join(known)}")
    chosen = [folder.rstrip("/") for folder in options.folders] or known
    ran: dict[str, Part] = {} if commit == CHANGED else newest(load(), commit)
    if not options.results:
        pending = chosen if options.again else to_run(chosen, load(), commit)
        print(f"{len(pending)} of {len(chosen)} folders to run at {commit}", flush=True)
        for number, folder in enumerate(pending, 1):
            try:
                part = run(folder, commit, options.workers)
            except KeyboardInterrupt:
                print(f"interrupted in {folder}; the same command continues", file=sys.stderr)
                return 130
            add(part)
            ran[folder] = part
            print(f"{number}/{len(pending)} {folder}: {part.counts}, {part.seconds:.0f} s", flush=True)
    print(table(ran.values()))
    return 0 if all(ran[folder].passed for folder in chosen if folder in ran) else 1


if __name__ == "__main__":
    sys.exit(main())
