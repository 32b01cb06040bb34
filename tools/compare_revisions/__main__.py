"""Run a few dozen commands at an earlier revision and at this checkout, and compare every figure.

    python3 -m tools.compare_revisions                          # from the root of a clone; takes a few minutes
    python3 -m tools.compare_revisions --only run serve         # some of the cases
    python3 -m tools.compare_revisions --work DIR --baseline DIR2   # keep outputs and checkout for later runs

The tool compares all datasets and attributes of HDF5 files, values of JSON and YAML, cells of CSV, and numbers of
printed tables. They must be equal to the last bit; `rules.py` lists the allowed differences with their reasons. This
checkout also reads the files of the earlier revision, and must show the same. Exit code 1 means that there are
differences, and 2 that no comparison was possible.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tools.compare_revisions.cases import Case
    from tools.compare_revisions.comparison import Report

ROOT = Path(__file__).resolve().parent.parent.parent
BASELINE = "3e01c63820cafbe79757535208f313f6c59682b9"
SHOWN_CHARS = 300


def main() -> int:
    """Run the comparison and print its result.

    Returns:
        Exit code: 0 without differences, 1 with differences, 2 if no comparison was possible.
    """
    options = _parser().parse_args()
    _enter_environment()
    from tools.compare_revisions.cases import CASES
    from tools.compare_revisions.sides import ComparisonError

    if options.list:
        print(*(f"{case.name:16} {len(case.steps)} commands, {len(case.reads)} that read" for case in CASES), sep="\n")
        return 0
    if unknown := set(options.only or ()) - {case.name for case in CASES}:
        print(f"no such case: {', '.join(sorted(unknown))}; --list shows all", file=sys.stderr)
        return 2
    chosen = [case for case in CASES if not options.only or case.name in options.only]
    try:
        reports = _compare(chosen, options)
    except ComparisonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _print(reports, options.differences)
    return int(any(report.differences for report in reports))


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.compare_revisions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--revision", default=BASELINE, help="the earlier revision (default: %(default).7s)")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="checkout of it, made there if there is none")
    parser.add_argument(
        "--baseline-python", type=Path, metavar="FILE", help="interpreter for it; no environment is made"
    )
    parser.add_argument(
        "--checkout", type=Path, default=ROOT, metavar="DIR", help="what is checked (default: this one)"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep all outputs here; those of the baseline are reused"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at a time (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these cases")
    parser.add_argument("--differences", type=int, default=10, metavar="N", help="how many to show of each case")
    parser.add_argument("--list", action="store_true", help="list the cases")
    return parser


def _enter_environment() -> None:
    """Restart in the environment of the checkout, which is created on first use."""
    environment = ROOT / ".venv"
    if Path(sys.prefix).resolve() == environment.resolve():
        return
    done = subprocess.run(["make", "--silent", "-C", str(ROOT), ".venv/.with-test"])
    if done.returncode:
        sys.exit(2)
    python = str(environment / "bin" / "python")
    os.execve(python, [python, "-m", "tools.compare_revisions", *sys.argv[1:]], os.environ | {"PYTHONPATH": str(ROOT)})


def _compare(cases: Sequence[Case], options: argparse.Namespace) -> list[Report]:
    """Prepare both revisions and compare all cases.

    Raises:
        ComparisonError: If a revision or its environment is missing, or a command fails at the earlier one.
    """
    from tools.compare_revisions.comparison import compare_case
    from tools.compare_revisions.sides import Side, prepare_checkout, prepare_environment

    with contextlib.ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="compare-revisions-")))
        root = (options.baseline or temporary / "baseline").resolve()
        work = (options.work or temporary / "outputs").resolve()
        revision = prepare_checkout(ROOT, options.revision, root)
        python = options.baseline_python or prepare_environment(root)
        old = Side(True, root, python.absolute(), revision)
        new = Side(False, options.checkout.resolve(), Path(sys.executable))
        old.check()
        new.check()
        pool = stack.enter_context(ThreadPoolExecutor(options.jobs))
        return list(_with_progress(pool.map(lambda case: compare_case(case, old, new, work), cases), len(cases)))


def _with_progress(reports: Iterable[Report], count: int) -> Iterable[Report]:
    """Yield the reports, and print the progress on a terminal."""
    for done, report in enumerate(reports, start=1):
        if sys.stderr.isatty():
            print(f"\r{done} of {count} cases", end="" if done < count else "\n", file=sys.stderr, flush=True)
        yield report


def _print(reports: Sequence[Report], limit: int) -> None:
    """Print a table of all cases, then the first differences of each."""
    print(f"{'case':16} {'files':>6} {'values':>9} {'differences':>12} {'seconds':>8}")
    for report in reports:
        counts = f"{report.files:6} {report.values:9,} {len(report.differences):12,} {report.seconds:8.1f}"
        print(f"{report.name:16} {counts}")
    total = sum(len(report.differences) for report in reports)
    print(f"{'all':16} {sum(r.files for r in reports):6} {sum(r.values for r in reports):9,} {total:12,}")
    for report in reports:
        # Commands that fail and files that are missing come first: they have no path.
        for each in sorted(report.differences, key=lambda difference: bool(difference.path))[:limit]:
            print(f"\n{each.file}: {each.path}")
            print(f"  old: {repr(each.old)[:SHOWN_CHARS]}")
            print(f"  new: {repr(each.new)[:SHOWN_CHARS]}")
        if len(report.differences) > limit:
            print(f"\n... and {len(report.differences) - limit:,} more in {report.name}")


if __name__ == "__main__":
    sys.exit(main())
