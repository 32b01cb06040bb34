"""Change operators and numbers of an area's modules, one at a time, and count the changes that their tests notice.

    make mutants                                     # the area whose turn it is tonight
    make mutants ARGS="mapping --count 40 --seed 7"  # an area, a number of mutants, another sample
    make mutants ARGS="--list"                       # the areas

cosmic-ray makes the changes, in a copy of the checkout. For each of them the module's own tests run until one fails. A
mutant that takes ten times as long as the unchanged code counts as a timeout. Exit code 1 means that the share of
killed mutants is below `--at-least`, and 2 that nothing could be run.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tools.mutants.areas import AREAS, Module, area_of
from tools.mutants.choosing import Mutant, sample, worthwhile
from tools.mutants.equivalents import EQUIVALENT
from tools.mutants.outcomes import HEAD, End, Outcome, Tally, described, survivors, tallies

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = (".*_cache", ".git", ".hypothesis", ".venv*", "__pycache__", "build", "dist")
TIMES_AS_LONG = 10
SHORTEST_LIMIT_S = 60


def main() -> int:
    """Run the mutants of an area and print the result.

    Returns:
        Exit code.
    """
    options = _parser().parse_args()
    os.environ["PIMSIM_TEST_PROFILE"] = "mutants"
    if options.list:
        for name, area in AREAS.items():
            sys.stdout.write(f"{name:15} {', '.join(module.path for module in area.modules)}\n")
        return 0
    now = datetime.now(UTC)
    name = area_of(now.date()) if options.area == "tonight" else options.area
    seed = now.date().toordinal() if options.seed is None else options.seed
    area = AREAS[name]
    modules = {each.path: each for each in area.modules if each.path.endswith(options.only)}
    with _copy_of_the_checkout():
        mutants = {path: worthwhile(_all_mutants(path), Path(path).read_text("utf-8")) for path in modules}
        chosen = sample([each for of in mutants.values() for each in of], options.count or area.count, seed)
        sys.stdout.write(f"{name}: {len(chosen)} mutants, seed {seed}, {now:%Y-%m-%d}, Python {_version(options)}\n")
        outcomes = list(_outcomes(chosen, modules, options))
    counted = tallies(name, {path: len(of) for path, of in mutants.items()}, outcomes, EQUIVALENT)
    _print(counted, outcomes)
    if options.record:
        _record(options.record, now, seed, counted)
    share = counted[-1].share
    return 2 if share is None else int(share < options.at_least)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("area", nargs="?", default="tonight", choices=["tonight", *AREAS], help="area (tonight)")
    parser.add_argument("--list", action="store_true", help="print the areas and stop")
    parser.add_argument("--only", default="", metavar="PATH", help="the module with this path or end of a path")
    parser.add_argument("--count", type=int, help="mutants to run; by default the area's number")
    parser.add_argument("--seed", type=int, help="seed of the sample; by default the date")
    parser.add_argument("--minutes", type=float, default=120, help="start no mutant after this time (120)")
    parser.add_argument("--at-least", type=float, default=0.9, help="share that must be killed (0.9)")
    parser.add_argument("--python", default=sys.executable, help="the Python that runs the tests")
    parser.add_argument("--record", type=Path, metavar="FILE.csv", help="append the counts to this file")
    return parser


@contextmanager
def _copy_of_the_checkout() -> Iterator[None]:
    """Work in a copy, so that an interrupted run leaves no mutant in the checkout."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        os.chdir(copy)
        try:
            yield
        finally:
            os.chdir(ROOT)


def _all_mutants(path: str) -> list[Mutant]:
    """Return all mutants that cosmic-ray knows of a module."""
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB, use_db

    with use_db("mutants.sqlite", WorkDB.Mode.create) as database:
        init([Path(path)], database, {})
        found = [each for item in database.work_items for each in item.mutations]
    return [Mutant(path, tuple(each.start_pos), each.operator_name, each.occurrence) for each in found]


def _outcomes(chosen: Sequence[Mutant], modules: dict[str, Module], options: argparse.Namespace) -> Iterator[Outcome]:
    """Run mutants one after another, and print each that is not simply killed.

    Yields:
        One outcome per mutant, until the time is over.
    """
    stop = time.monotonic() + options.minutes * 60
    limits: dict[tuple[str, ...], float] = {}
    for number, mutant in enumerate(chosen, 1):
        if time.monotonic() > stop:
            sys.stdout.write(f"time is over: {len(chosen) - number + 1} mutants were not run\n")
            return
        tests = modules[mutant.module].tests
        command = _command(options.python, tests)
        if tests not in limits:
            limits[tests] = max(SHORTEST_LIMIT_S, TIMES_AS_LONG * _seconds_unchanged(command, options.python))
        outcome = _outcome(mutant, command, limits[tests])
        if outcome.end != "killed":
            sys.stdout.write(f"{number}/{len(chosen)} {described(outcome)}\n")
            sys.stdout.flush()
        yield outcome


def _command(python: str, tests: Sequence[str]) -> str:
    """Return the command that runs tests until the first failure."""
    there = [each for each in tests if Path(each).is_file()]
    return shlex.join([python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *there])


def _seconds_unchanged(command: str, python: str) -> float:
    """Return how long the tests of the unchanged code take the second time, when kernels are compiled.

    Raises:
        SystemExit: If they fail, or if the code of another place is imported.
    """
    where = "import crossbar, pimsim; print(pimsim.__file__, crossbar.__file__)"
    imported = subprocess.run([python, "-c", where], capture_output=True, text=True, timeout=60, check=True).stdout
    if not all(Path(each).is_relative_to(Path.cwd()) for each in imported.split()):
        raise SystemExit(f"error: the tests would import other code than the mutants: {imported}")
    for _ in range(2):
        begin = time.monotonic()
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=1800)
        if done.returncode:
            raise SystemExit(f"error: the tests fail without a mutant:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return time.monotonic() - begin


def _outcome(mutant: Mutant, command: str, limit_s: float) -> Outcome:
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.work_item import MutationSpec

    change = MutationSpec(
        module_path=Path(mutant.module),
        operator_name=mutant.operator,
        occurrence=mutant.occurrence,
        start_pos=mutant.start,
        end_pos=(mutant.start[0], mutant.start[1] + 1),
    )
    result = mutate_and_test([change], command, limit_s)
    ends: dict[str, End] = {"killed": "timeout" if result.output == "timeout" else "killed", "survived": "survived"}
    return Outcome(mutant, ends.get(str(getattr(result.test_outcome, "value", "")), "not run"), result.diff or "")


def _print(counted: Sequence[Tally], outcomes: Sequence[Outcome]) -> None:
    for outcome in [*survivors(outcomes, EQUIVALENT), *(each for each in outcomes if each.end == "not run")]:
        sys.stdout.write(f"{described(outcome)}\n")
    for cells in (HEAD, *(tally.row() for tally in counted)):
        sys.stdout.write(f"{cells[0]:40} {' '.join(f'{cell:>12}' for cell in cells[1:])}\n")


def _version(options: argparse.Namespace) -> str:
    command = [options.python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def _record(file: Path, now: datetime, seed: int, counted: Sequence[Tally]) -> None:
    """Append the counts to a CSV file, with date, seed and machine class."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    with (ROOT / file).open("a", encoding="utf-8") as out:
        for tally in counted:
            out.write(",".join([f"{now:%Y-%m-%d}", f'"{machine}"', str(seed), *tally.row()]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
