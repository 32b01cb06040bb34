"""Run the benchmarks in their short forms and write the page of this machine.

    make bench
    python -m tools.bench --only engine cli --machine laptop
    python -m tools.bench --against ../other-revision

Each benchmark runs in a process of its own; one that fails is named, and the rest goes on. What is finished is written
at once, so that Ctrl-C loses only the benchmark that runs. Results of earlier runs stay on the page until the benchmark
runs again. The exit code is 1 if a benchmark failed, and 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tools.bench.growth import draw, growth_of
from tools.bench.outcomes import DONE, NOT_GIVEN, Machine, Outcome, load, store, write_safely
from tools.bench.page import index, page
from tools.bench.scripts import Script, find_scripts

ROOT = Path(__file__).parents[2]
LIBRARIES = ("pimsim", "numpy", "numba", "simpy", "pydantic", "h5py")
LONGEST_REASON = 200


def this_machine(name: str | None) -> Machine:
    """Describe this machine; its name is made of processor and cores unless one is given."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processor = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        processor = next((each.partition(":")[2].strip() for each in lines if each.startswith("model name")), processor)
    made = re.sub(r"[^a-z0-9]+", "-", f"{processor} {cores} cores".lower()).strip("-")
    return Machine(name or made, processor, cores, f"{platform.system()} {platform.machine()}")


def versions() -> str:
    """Name the versions of Python and of what the benchmarks use."""
    found = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def revision(folder: Path) -> str:
    """Name the revision of a checkout: its commit, or the name of the folder if Git knows none."""
    command = ["git", "-C", str(folder), "rev-parse", "--short=8", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return folder.name


def run(script: Script, full: bool, against: Path | None) -> Outcome:
    """Run a benchmark.

    Args:
        script: The benchmark.
        full: Whether it runs in its own default form.
        against: Checkout of another revision, if one is given.

    Returns:
        Its outcome.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when the benchmark has ended.
    """
    arguments = script.arguments(full, against)
    command = [sys.executable, str(script.path), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(":")}
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    state = DONE
    if process.returncode:
        last = next((each for each in reversed(errors.splitlines()) if each.strip()), "")
        state = f"failed: exit code {process.returncode}" + (f": {last[:LONGEST_REASON]}" if last else "")
    return Outcome(
        state.replace("|", "/"),
        date.today().isoformat(),
        " ".join([f"python benchmarks/{script.path.name}", *arguments]).replace(str(against), "FOLDER"),
        time.perf_counter() - start,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        load_before,
        (revision(against) if against else NOT_GIVEN) if script.other_revision else "",
        versions(),
        output,
    )


def write(folder: Path, machine: Machine, outcomes: dict[str, Outcome], names: list[str]) -> None:
    """Write the results of a machine, its page with a plot, and the index."""
    folder.mkdir(parents=True, exist_ok=True)
    store(folder / f"{machine.name}.json", machine, outcomes)
    growth = growth_of(outcomes["bench_growth"].output) if "bench_growth" in outcomes else {}
    plots = [folder / f"{machine.name}-growth.svg"] if growth else []
    for plot in plots:
        draw(growth, plot)
    write_safely(folder / f"{machine.name}.md", page(machine, outcomes, names, plots))
    write_safely(folder / "README.md", index(folder))


def main(argv: list[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="benchmarks to run; default: all")
    parser.add_argument("--machine", help="name of the page; default: processor and cores")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="checkout of another revision to compare with")
    parser.add_argument("--full", action="store_true", help="default form of each script in place of the short one")
    parser.add_argument("--scripts", type=Path, default=ROOT / "benchmarks", help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the pages")
    options = parser.parse_args(argv)
    if options.machine and not re.fullmatch(r"[\w.-]+", options.machine):
        parser.error(f"--machine: {options.machine!r} becomes the name of a file: letters, digits, '.', '_' and '-'")
    if options.against is not None and not (options.against / "pimsim").is_dir():
        parser.error(f"--against: {options.against} is not a checkout of pimsim: it has no folder pimsim")
    machine = this_machine(options.machine)
    try:
        scripts, every = find_scripts(options.scripts, options.only), find_scripts(options.scripts, [])
        _, outcomes = load(options.results / f"{machine.name}.json")
    except ValueError as error:
        parser.error(str(error))
    names, failed = [each.name for each in every], []
    try:
        for number, script in enumerate(scripts, 1):
            print(f"{number} of {len(scripts)}: {script.name} ...", end=" ", flush=True)
            outcome = run(script, options.full, options.against and options.against.resolve())
            print(f"{outcome.state}, {outcome.wall_s:.0f} s", flush=True)
            outcomes[script.name] = outcome
            write(options.results, machine, outcomes, names)
            failed += [script.name] * (outcome.state != DONE)
    except KeyboardInterrupt:
        print("\ninterrupted: what was finished is written", file=sys.stderr)
        return 130
    if failed:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
    print(options.results / f"{machine.name}.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
