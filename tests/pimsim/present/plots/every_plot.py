"""Every plot that the command line can write, of small results: what the tests of all figures walk through."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pimsim import (
    ArrayStudyOptions,
    accuracy_plots,
    array_plots,
    cluster_plots,
    compare,
    comparison_plots,
    generate,
    generation_plots,
    kv_plots,
    kv_sizes,
    load_config,
    load_system,
    poisson_requests,
    roofline,
    roofline_plots,
    run_plots,
    serve,
    serving_plots,
    simulate,
    study_array,
    vary_accuracy,
)
from pimsim.present.plots import config_waterfall_plots
from pimsim.present.plots.plot_sweep import sweep_plots
from pimsim.studies.analysis.point_columns import Objectives
from pimsim.studies.analysis.sensitivity import SobolIndices
from pimsim.studies.comparison.external_points import ExternalPoint
from pimsim.studies.config_waterfall.key_waterfall import key_waterfall
from tests.pimsim.present.plots.drawn import GENERATION, SMALL
from tests.support.tiny_models import NO_WIRES, settings, tiny_model

SYSTEM = {
    "split": "replicas",
    "machines": {"fast": "tpu-llm", "slow": "pim-llm"},
    "workload": {"model": "gpt2-medium"},
}
Plots = Mapping[str, Callable[[], Figure]]


def runs() -> Plots:
    serial = run_plots(simulate(load_config("pim-llm", SMALL)), "op")
    config = load_config("pim-llm", [*SMALL, "schedule=dataflow", "workload.lm_head=true"])
    overlapping = run_plots(simulate(config), "layer")
    generation = generate(load_config("pim-llm", [*GENERATION, "workload.samples=4"]))
    return {**_named("serial", serial), **_named("dataflow", overlapping), **generation_plots(generation)}


def served() -> Plots:
    requests = poisson_requests(3.0, 60, prompt="uniform:8:60", output="uniform:1:20", seed=2)
    alone = serve(load_config("pim-llm", [*SMALL, "serving.max_batch=3"]), requests)
    return {
        **_named("one", serving_plots(alone)),
        **_named("several", cluster_plots(serve(load_system(SYSTEM), requests))),
    }


def errors(folder: Path) -> Plots:
    options = ArrayStudyOptions(rows=40, columns=300, vectors=8, chips=3, seed=5)
    array = array_plots(study_array(load_config("pim-llm"), options=options))
    config = load_config("pim-llm", [*settings(tiny_model(folder / "tiny")), *NO_WIRES, "accuracy.chips=3"])
    values = [("adc-bits", ("4", "5", "6", "7", "8")), ("variation", ("0.01", "0.1", "0.2"))]
    return {**array, **accuracy_plots(vary_accuracy(config, values, threads=1))}


def memory() -> Plots:
    rooflines = [
        roofline(simulate(load_config("pim-llm", ["workload.model=kjv-bitnet", f"workload.batch={batch}"])))
        for batch in (1, 4)
    ]
    tiers = ["lpddr5x", "hbm3", "ddr5", "sram", "ssd"]
    sizes = kv_sizes("llama-3-8b", 8192, [16, 4], recent=1024, batch=2, tiers=tiers)
    return {**roofline_plots(rooflines), **kv_plots(sizes)}


def designs() -> Plots:
    point = ExternalPoint("HARDSEA", "a paper", "gpt2-small", "decode", 512, tokens_per_s=20.0, tokens_per_j=40.0)
    models = ["gpt2-small", "gpt2-medium", "opt-6.7b", "llama-7b"]
    several = compare(
        ["pim-llm", "tpu-llm", "pim-llm-published", "defaults"], models=models, contexts=[512, 64], points=[point]
    )
    few = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], contexts=[64], ranges=True, samples=40)
    before, after = load_config("pim-llm-published", SMALL), load_config("pim-llm", SMALL)
    waterfall = config_waterfall_plots(key_waterfall(before, after))
    return {**_named("several", comparison_plots(several)), **_named("few", comparison_plots(few)), **waterfall}


def sweeps() -> Plots:
    """Return the plots of a grid of many axes with long names, of two models, with gaps."""
    grid = [
        {"machine.systolic.rows": rows, "link": link, "workload.model": model, "adc": bits, "schedule": schedule}
        for rows, link, model, bits, schedule in product(
            [8, 16, 32, 64, 128], [5e9, 20e9, 80e9], ["gpt2-medium", "opt-6.7b"], [4, 8], ["serial", "dataflow"]
        )
    ]
    frame = pd.DataFrame(grid)
    slow = np.where(frame["workload.model"] == "opt-6.7b", 4.0, 1.0)
    frame["tokens_per_s"] = 200 / slow / (1 + 8 / frame["machine.systolic.rows"] + 1e10 / frame["link"])
    frame["area_m2"] = slow * (frame["machine.systolic.rows"] ** 2 * 1e-6 + frame["link"] * 1e-15) * frame["adc"]
    frame["time_to_first_token_s"] = 1 / frame["tokens_per_s"] / frame["adc"]
    frame.loc[5, ["tokens_per_s", "area_m2"]] = math.nan
    axes = ["machine.systolic.rows", "link", "workload.model", "adc", "schedule"]
    table = {"axis": axes, "first": 0.3, "first_confidence": 0.1, "total": 0.5, "total_confidence": 0.2}
    indices = {"tokens_per_s": SobolIndices(pd.DataFrame(table), pd.DataFrame())}
    keys = {"link": "machine.mesh.link_bandwidth_bps", "adc": "machine.crossbar.pair.adc.bits"}
    two: Objectives = {"tokens_per_s": "higher", "area_m2": "lower"}
    three: Objectives = {**two, "time_to_first_token_s": "lower"}
    return {
        **_named("two", sweep_plots(frame, axes, two, "small", keys, indices)),
        **_named("three", sweep_plots(frame, axes, three, "small", keys)),
    }


def _named(prefix: str, plots: Mapping[str, Any]) -> Plots:
    return {f"{prefix} {name}": draw for name, draw in plots.items()}
