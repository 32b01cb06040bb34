"""The two revisions: their checkouts and environments, and the execution of a case in them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.compare_revisions.cases import Case, Step

STAMP = "stamp.txt"
SECONDS_PER_STEP = 900


class ComparisonError(Exception):
    """No comparison is possible: a revision or environment is missing, or a command fails at the old revision."""


class StepError(ComparisonError):
    """A command failed or exceeded its time limit."""


@dataclass(frozen=True)
class Side:
    """One of the two revisions.

    Attributes:
        is_old: Whether this is the old revision, whose values are the expected ones.
        root: Its checkout, from which all code is imported.
        python: Interpreter with the dependencies of pimsim.
        revision: Commit of the old revision; "" for the new one.
    """

    is_old: bool
    root: Path
    python: Path
    revision: str = ""

    def check(self) -> None:
        """Check that the interpreter imports pimsim from the checkout.

        Raises:
            ComparisonError: If it imports pimsim from another place, or cannot import it.
        """
        program = "import pathlib, pimsim; print(pathlib.Path(pimsim.__file__).resolve().parent.parent)"
        # Python looks into its working directory first, which must not be a checkout here.
        done = subprocess.run(
            [self.python, "-c", program],
            cwd=self.python.parent,
            env=self.environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode or Path(done.stdout.strip()) != self.root.resolve():
            raise ComparisonError(f"{self.python} does not import pimsim from {self.root}: {done.stdout}{done.stderr}")

    def environment(self) -> dict[str, str]:
        """Return the environment variables of a command: code from the checkout, no colours, 160 columns."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIMSIM_"))}
        return kept | {"PYTHONPATH": str(self.root.resolve()), "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "160"}

    def run(self, case: Case, folder: Path) -> None:
        """Run the steps of a case in a new folder.

        Args:
            case: Commands to run.
            folder: Folder to run in; its old content is removed.

        Raises:
            StepError: If a command fails.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in case.files_of(self.is_old).items():
            (folder / name).write_text(content, encoding="utf-8")
        self._run_steps(case.steps, folder, "run")

    def read(self, case: Case, written: Path, folder: Path) -> None:
        """Run the reading steps of a case on a copy of the files that its other steps wrote.

        Args:
            case: Commands to run.
            written: Folder with the files; it is not changed.
            folder: Folder to run in; its old content is removed.

        Raises:
            StepError: If a command fails.
        """
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(written, folder)
        self._run_steps(case.reads, folder, "read")

    def _run_steps(self, steps: Sequence[Step], folder: Path, prefix: str) -> None:
        """Run commands one after another, and write their standard output to files such as run-1.json."""
        for number, step in enumerate(steps, start=1):
            command = step.of(self.is_old)
            arguments = ["-c", command] if step.python else ["-m", "pimsim", *shlex.split(command)]
            try:
                done = subprocess.run(
                    [self.python, *arguments],
                    cwd=folder,
                    env=self.environment(),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    encoding="utf-8",
                    timeout=SECONDS_PER_STEP,
                )
            except subprocess.TimeoutExpired as error:
                raise StepError(f"{command!r} takes more than {SECONDS_PER_STEP} s") from error
            if done.returncode:
                what = "a program" if step.python else command
                told = " | ".join(done.stderr.strip().splitlines()[-3:])
                raise StepError(f"{prefix}-{number} ({what}) has exit code {done.returncode}: {told}")
            kind = "json" if step.python or "--json" in arguments else "txt"
            (folder / f"{prefix}-{number}.{kind}").write_text(done.stdout, encoding="utf-8")


def run_old(side: Side, case: Case, folder: Path) -> None:
    """Run a case at the old revision, unless its outputs exist from an earlier comparison.

    Args:
        side: The old revision.
        case: Commands to run.
        folder: Folder of the outputs, which go to its subfolders `run` and `read`.

    Raises:
        ComparisonError: If a command fails.
    """
    stamp = repr((side.revision, case.files, [(s.old, s.python) for s in (*case.steps, *case.reads)]))
    known = folder / STAMP
    if known.exists() and known.read_text(encoding="utf-8") == stamp:
        return
    try:
        known.unlink(missing_ok=True)
        side.run(case, folder / "run")
        side.read(case, folder / "run", folder / "read")
    except StepError as error:
        raise ComparisonError(f"case {case.name} does not run at the old revision: {error}") from error
    known.write_text(stamp, encoding="utf-8")


def prepare_checkout(repository: Path, revision: str, folder: Path) -> str:
    """Export a revision, unless the folder already contains it.

    Args:
        repository: A clone that has the revision.
        revision: Any name of a commit.
        folder: Destination; a checkout of the same commit is used as it is.

    Returns:
        The full hash of the commit.

    Raises:
        ComparisonError: If the clone does not have the commit, or the folder contains something else.
    """
    commit = _git(repository, "rev-parse", "--verify", f"{revision}^{{commit}}")
    mark = folder / ".exported-revision"
    if folder.exists() and any(folder.iterdir()):
        found = mark.read_text().strip() if mark.exists() else _git(folder, "rev-parse", "HEAD")
        if found != commit:
            raise ComparisonError(f"{folder} holds {found}, not {commit}")
        return commit
    folder.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "-C", repository, "archive", commit], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    mark.write_text(commit)
    return commit


def prepare_environment(root: Path) -> Path:
    """Create the environment of a checkout with the dependencies of its tests, unless it has one.

    Args:
        root: The checkout.

    Returns:
        Path of the interpreter of the environment.

    Raises:
        ComparisonError: If the environment cannot be created.
    """
    python = root / ".venv" / "bin" / "python"
    if subprocess.run(["make", "--silent", "-C", root, ".venv/.with-test"]).returncode:
        raise ComparisonError(f"{root}: the environment cannot be made")
    return python


def _git(folder: Path, *arguments: str) -> str:
    """Run a git command in a folder, and return its standard output."""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise ComparisonError(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip()}")
    return done.stdout.strip()
