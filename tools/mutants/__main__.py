"""Change operators and numbers of an area's modules, one at a time, and count the changes that their tests notice.

    make mutants                                     # the area whose turn it is tonight
    make mutants ARGS="mapping --count 40 --seed 7"  # an area, a number of mutants, another sample
    make mutants ARGS="--list"                       # the areas

cosmic-ray makes the changes, in a copy of the checkout, and `runner` runs the module's own tests for each of them until
one fails. A test that takes ten times as long as with the unchanged code counts as a timeout. Exit code 1 means that
the share of killed mutants is below `--at-least`, and 2 that nothing could be run.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tools.mutants.areas import AREAS, Module, area_of
from tools.mutants.choosing import Mutant, sample, worthwhile
from tools.mutants.equivalents import EQUIVALENT
from tools.mutants.outcomes import HEAD, Outcome, Tally, described, survivors, tallies

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = (".*_cache", ".git", ".hypothesis", ".venv*", "build", "dist")  # compiled kernels stay valid in a copy


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


def _mutated(mutant: Mutant) -> str:
    """Return the source of a module with one change."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = Path(mutant.module).read_text(encoding="utf-8")
    return str(mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence))


def _outcomes(chosen: Sequence[Mutant], modules: dict[str, Module], options: argparse.Namespace) -> Iterator[Outcome]:
    """Run mutants one after another, and print each that is not simply killed.

    Yields:
        One outcome per mutant, until the time is over.

    Raises:
        SystemExit: If the tests fail without a mutant.
    """
    texts = [_mutated(each) for each in chosen]
    # Now, since the runner writes the mutants of compiled kernels over the modules.
    diffs = [_diff(each, text) for each, text in zip(chosen, texts, strict=True)]
    jobs = [
        {
            "path": each.module,
            "mutated": text,
            "tests": [test for test in modules[each.module].tests if Path(test).is_file()],
            "own_process": modules[each.module].compiled,
        }
        for each, text in zip(chosen, texts, strict=True)
    ]
    Path("jobs.json").write_text(json.dumps({"jobs": jobs, "minutes": options.minutes}), encoding="utf-8")
    command = [options.python, "-m", "tools.mutants.runner", "jobs.json"]
    with open("runner.log", "w", encoding="utf-8") as log:  # noqa: PTH123 - the copy is the working directory
        runner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert runner.stdout
    run = 0
    for run, (mutant, diff, line) in enumerate(zip(chosen, diffs, runner.stdout, strict=False), 1):
        outcome = Outcome(mutant, line.strip(), diff)
        if outcome.end != "killed":
            sys.stdout.write(f"{run}/{len(chosen)} {described(outcome)}\n")
        elif run % 10 == 0:
            sys.stdout.write(f"{run}/{len(chosen)}\n")
        sys.stdout.flush()
        yield outcome
    if runner.wait():
        raise SystemExit(f"error: the tests cannot run: {Path('runner.log').read_text(encoding='utf-8')[-3000:]}")
    if run < len(chosen):
        sys.stdout.write(f"time is over: {len(chosen) - run} mutants were not run\n")


def _diff(mutant: Mutant, text: str) -> str:
    """Return the change of a mutant as a unified diff."""
    source = Path(mutant.module).read_text(encoding="utf-8")
    return "\n".join(difflib.unified_diff(source.splitlines(), text.splitlines(), lineterm=""))


def _print(counted: Sequence[Tally], outcomes: Sequence[Outcome]) -> None:
    """Print the mutants that survived, and the counts as the Markdown table of docs/testing.md."""
    for outcome in survivors(outcomes, EQUIVALENT):
        sys.stdout.write(f"{described(outcome)}\n")
    for cells in (HEAD, ("---", *("---:" for _ in HEAD[1:])), *(tally.row() for tally in counted)):
        sys.stdout.write(f"| {' | '.join(cells)} |\n")


def _version(options: argparse.Namespace) -> str:
    command = [options.python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
