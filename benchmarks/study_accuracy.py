"""Accuracy of the shipped 1-bit model on analog arrays, parameter by parameter; writes docs/reference/accuracy.csv.

    python benchmarks/study_accuracy.py            # everything (35 minutes on one core): CSV, figures, docs/
    python benchmarks/study_accuracy.py --missing  # only rows of fewer tokens or chips; continues after an interruption
    python benchmarks/study_accuracy.py --only adc # evaluate one group again; the file keeps the other groups
    python benchmarks/study_accuracy.py --machine  # only speed and energy again (seconds); the file keeps the accuracy
    python benchmarks/study_accuracy.py --draw     # draw docs/images/accuracy-*.svg from the file

docs/accuracy.md presents the results. Each group varies one parameter; the lines of a group differ in other settings.
The file is written after each row.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from crossbar.intervals import Interval  # noqa: E402
from pimsim.config.loading import load_config  # noqa: E402
from pimsim.config.schema import Config  # noqa: E402
from pimsim.simulation import simulate  # noqa: E402
from pimsim.studies.accuracy.accuracy_result import AccuracyResult  # noqa: E402
from pimsim.studies.accuracy.evaluation import evaluate_accuracy, inputs_of, machine_figures, with_accuracy  # noqa: E402
from pimsim.studies.accuracy.paired_ratio import cost_text, perplexity_of  # noqa: E402
from pimsim.studies.accuracy.parameter_study import settings_of  # noqa: E402
from workloads.shipped import network_folder  # noqa: E402

FILE = ROOT / "docs" / "reference" / "accuracy.csv"
IMAGES = ROOT / "docs" / "images"
PAIR = "machine.crossbar.pair"
TOKENS, CHIPS, SEED = 16_384, 10, 0
FIGURES = (
    *("perplexity", "perplexity_low", "perplexity_high", "exact_perplexity", "float_perplexity"),
    *("perplexity_ratio", "perplexity_ratio_low", "perplexity_ratio_high"),
    *("next_token_agreement", "kl", "logit_snr_db", "adc_saturated", "tokens_per_s", "tokens_per_j", "gops_per_w"),
)


def pair(**settings: object) -> list[str]:
    """Return config overrides for the arrays; two underscores in a keyword mean a dot."""
    return [f"{PAIR}.{key.replace('__', '.')}={value}" for key, value in settings.items()]


NO_WIRES = pair(wires__model="none")
STEADY = pair(
    noise__variation__lrs__sigma=0,
    noise__variation__hrs__sigma=0,
    noise__read="{lrs: 0, hrs: 0}",
    noise__faults="{stuck_lrs: 0, stuck_hrs: 0}",
)
FINE = pair(adc__bits=16, adc__range="full")
"""An ADC whose step is much smaller than the contribution of one cell."""
EIGHT = pair(adc__bits=8, adc__range="calibrated")
NEURRAM = {"extends": ["pim-llm", "device-wan-neurram"]}
YEAR = 365.25 * 86400

Case = tuple[str, str, str, tuple[float | int, ...], Any, list[str]]
"""Group, line, parameter (a name of `--vary`, or "size"), values, base config, settings."""


def cases() -> Iterator[Case]:
    """Yield all lines of all groups."""
    for rows in (128, 256):
        for kind in ("full", "calibrated", "per_column"):
            chosen = [*STEADY, *NO_WIRES, *pair(array__rows_at_once=rows, adc__range=kind)]
            yield "adc", f"{kind}, {rows} rows", "adc-bits", (3, 4, 5, 6, 7, 8), "pim-llm", chosen
    for rows in (128, 256):
        chosen = [*NO_WIRES, *pair(array__rows_at_once=rows)]
        yield "adc", f"stock cells, calibrated, {rows} rows", "adc-bits", (4, 5, 6, 7, 8), "pim-llm", chosen
    for kind in ("normal", "lognormal"):
        spread = pair(noise__variation__lrs__distribution=kind, noise__variation__hrs__distribution=kind)
        chosen = [*STEADY, *NO_WIRES, *FINE, *spread]
        yield "variation", kind, "variation", (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5), "pim-llm", chosen
    stuck = (0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    yield "stuck", "half in each state", "stuck", stuck, "pim-llm", [*STEADY, *NO_WIRES, *FINE]
    ratios = (2, 3, 5, 10, 30, 100)
    for sigma in (0.02, 0.1):
        spread = pair(noise__variation__lrs__sigma=sigma, noise__variation__hrs__sigma=sigma)
        chosen = [*STEADY, *NO_WIRES, *EIGHT, *spread]
        yield "on-off", f"variation {sigma:.0%}, 8 bits", "on-off-ratio", ratios, "pim-llm", chosen
    ages = (1, 3600, 86400, 30 * 86400, YEAR, 10 * YEAR)
    yield "drift", "NeuRRAM's cells, 8 bits", "drift", ages, NEURRAM, [*NO_WIRES, *EIGHT]
    ohms = (0, 0.03, 0.1, 0.3, 1, 2.82)
    for rows in (128, 256):
        chosen = [*STEADY, *FINE, *pair(array__rows_at_once=rows)]
        yield "wire", f"{rows} rows", "wire", ohms, "pim-llm", chosen

    sizes = (32, 64, 128, 256)
    for ohm in (10_000, 100_000):
        chosen = [*STEADY, *FINE, *pair(cell__lrs_ohm=ohm, cell__hrs_ohm=100 * ohm)]
        yield "size", f"LRS of {ohm // 1000} kOhm", "size", sizes, "pim-llm", chosen


def settings_for(parameter: str, value: float, config: Config) -> tuple[str, ...]:
    """Return the config overrides of a value: a square array for "size", otherwise as for `--vary`."""
    if parameter != "size":
        return settings_of(parameter, repr(value), config)
    array = f"{{rows: {value}, columns: {value}, rows_at_once: {min(value, 128)}, adcs: {value // 2}}}"
    return tuple(pair(array=array))


def evaluated(only: str | None, missing: bool) -> Iterator[dict[str, Any]]:
    """Evaluate all values of all lines, or some of them, and yield one row for each."""
    known = {_key(row): row for row in read()} if missing else {}
    for group, line, parameter, values, base, settings in cases():
        if only not in (None, group):
            continue
        config = load_config(base, settings)
        # Without noise and stuck cells, nothing is random, so one chip is enough.
        chips = 1 if group in ("wire", "size") or (group == "adc" and not line.startswith("stock")) else CHIPS
        for value in values:
            row: dict[str, Any] = {"group": group, "line": line, "parameter": parameter}
            row |= {"value": f"{value:.10g}", "chips": chips}
            old = known.get(_key(row))
            if old and int(old["tokens"]) >= TOKENS and int(old["chips"]) >= chips:
                continue
            start, spent = time.perf_counter(), time.process_time()
            changed = load_config(config.model_dump(mode="json"), settings_for(parameter, value, config))
            result = evaluate_accuracy(changed, tokens=TOKENS, chips=chips, seed=SEED, threads=1)
            flat = result.flat()
            if chips == 1:
                flat |= ratio_over_windows(changed, result).columns("perplexity_ratio")
            row |= {name: "" if flat[name] is None else f"{flat[name]:.6g}" for name in FIGURES}
            row["tokens"] = result.tokens
            row["opt_gops_per_w"] = _opt_gops_per_w(changed) if group == "adc" else ""
            row["last_residual_snr_db"] = f"{result.layers[-1].snr_db:.4g}"
            seconds, spent = time.perf_counter() - start, time.process_time() - spent
            cost = cost_text(Interval(*(float(row[f"perplexity_ratio{end}"]) for end in ("", "_low", "_high"))))
            progress = f"{group:10} {line:40} {value:<12.6g} {row['perplexity']:>8}  {cost}"
            print(f"{progress}  {seconds:.1f} s, {spent:.1f} s of processor time", file=sys.stderr, flush=True)
            yield row


def ratio_over_windows(config: Config, result: AccuracyResult) -> Interval:
    """Return the ratio of perplexities of one chip with an interval over windows, if all chips are equal.

    Args:
        config: Config of the result.
        result: Result of one chip.

    Returns:
        Ratio and interval.

    Raises:
        ValueError: If a second chip differs in the first window of the text.
    """
    first, second = evaluate_accuracy(config, tokens=256, chips=2, seed=SEED, threads=1).chips
    if first.window_nll != second.window_nll:
        raise ValueError(f"the chips of {config.name} differ, so one is not enough")
    return result.increase_over_text.mapped(perplexity_of)


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["group"], row["line"], row["value"]


def resimulated() -> Iterator[dict[str, Any]]:
    """Yield the rows of the file with the speed and energy of the machine simulated again."""
    kept = {(row["group"], row["line"], row["value"]): row for row in read()}
    for group, line, parameter, values, base, settings in cases():
        config = load_config(base, settings)
        for value in values:
            changed = load_config(config.model_dump(mode="json"), settings_for(parameter, value, config))
            row = kept[group, line, f"{value:.10g}"]
            machine = machine_figures(changed, inputs_of(with_accuracy(changed, tokens=TOKENS, chips=1))).figures
            row |= {name: f"{getattr(machine, name):.6g}" for name in ("tokens_per_s", "tokens_per_j", "gops_per_w")}
            row["opt_gops_per_w"] = _opt_gops_per_w(changed) if group == "adc" else ""
            yield row


def _opt_gops_per_w(config: Config) -> str:
    """Return GOPS/W of the config's own workload, OPT-6.7B, whose latency and energy are mostly projections."""
    return f"{simulate(config).gops_per_w:.6g}"


def weights_digest() -> str:
    """Return a digest of the weights, so that the page can tell results of another training apart."""
    return hashlib.sha256((network_folder() / "model.safetensors").read_bytes()).hexdigest()[:16]


def read() -> list[dict[str, str]]:
    """Read the rows of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def write(rows: list[dict[str, Any]]) -> None:
    """Write all rows with a header that describes them."""
    with FILE.open("w", encoding="utf-8", newline="") as file:
        file.write("# kjv-bitnet on analog arrays; by benchmarks/study_accuracy.py, explained in docs/accuracy.md.\n")
        file.write(f"# weights: {weights_digest()}\n")
        columns = dict.fromkeys(name for row in rows for name in row)  # rows of an earlier version have fewer
        writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw() -> None:
    """Draw the figures of docs/accuracy.md."""
    from pimsim.present.plots import rendered
    from pimsim.present.plots.plot_accuracy import study_curves, study_trade

    rows = read()
    for name, make in (("accuracy-curves", study_curves), ("accuracy-trade", study_trade)):
        (IMAGES / f"{name}.svg").write_bytes(rendered(lambda make=make: make(rows))["svg"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted({case[0] for case in cases()}))
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--machine", action="store_true")
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args()
    if options.machine:
        write(list(resimulated()))
    elif not options.draw:
        order = [(case[0], case[1], f"{value:.10g}") for case in cases() for value in case[3]]
        rows: dict[tuple[str, str, str], dict[str, Any]] = {_key(row): row for row in read()} if FILE.exists() else {}
        for row in evaluated(options.only, options.missing):
            rows[_key(row)] = row
            write([rows[key] for key in order if key in rows])
    draw()
    subprocess.run([sys.executable, "-m", "tools.generate_docs"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
