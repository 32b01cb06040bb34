"""The commands that are compared: each takes a few seconds, and together they cover most outputs of pimsim."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.compare_revisions import inputs


@dataclass(frozen=True)
class Step:
    """One command of both revisions.

    Attributes:
        old: Arguments of `pimsim` at the old revision, in shell syntax; with `python`, a program.
        new: The same for the new revision; None if they are equal.
        python: Whether `old` and `new` are Python programs, which print JSON.
    """

    old: str
    new: str | None = None
    python: bool = False

    def of(self, is_old: bool) -> str:
        """Return the command for the old or the new revision."""
        return self.old if is_old or self.new is None else self.new


@dataclass(frozen=True)
class Case:
    """Commands that run one after another in one folder.

    Attributes:
        name: Name of the case.
        steps: Commands whose standard output and files are compared.
        reads: Commands that read the files of `steps`. The new revision reads the files of the old one.
        files: Content of the input files, by name.
        new_files: Content of the input files that differ at the new revision, such as a config with renamed keys.
    """

    name: str
    steps: tuple[Step, ...]
    reads: tuple[Step, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    new_files: Mapping[str, str] = field(default_factory=dict)

    def files_of(self, is_old: bool) -> dict[str, str]:
        """Return the input files for the old or the new revision."""
        return dict(self.files) if is_old else {**self.files, **self.new_files}


def published(text: str) -> str:
    """Return a command, a program or a file in which the machines are those whose figures must not change.

    Args:
        text: Text that names `pim-llm` or `tpu-llm`, the machines of the old revision.

    Returns:
        The text for the new revision, which counts more by default and keeps the old machines as frozen configs.
    """
    return re.sub(r"(?<![\w./-])(pim|tpu)-llm(?![\w-])", r"\1-llm-published", text)


def _steps(*commands: str | Step) -> tuple[Step, ...]:
    """Turn commands that are the same in both revisions, but for the names of the machines, into steps."""
    steps = (command if isinstance(command, Step) else Step(command) for command in commands)
    return tuple(Step(step.old, published(step.of(is_old=False)), step.python) for step in steps)


WIRES = "--set machine.crossbar.pair.wires.model=none"
ARRAY = "--rows 128 --columns 64 --vectors 16 --chips 3"
ACCURACY = f"accuracy pim-llm {WIRES}"
AS_COMPUTED = "--set machine.vector.softmax=exact --set machine.crossbar.output_bits=null"
"""What the old revision computed, whatever the config of the machine said."""
READ_SERVING = """
import json
from pimsim.serving.store import read_serving
print(json.dumps(read_serving("served.h5").to_dict()))
"""
CONFIGS = """
import json
from pimsim import dump_config, load_config
from pimsim.catalog import presets
names = ("defaults", "pim-llm", "pim-llm-fitted-links", "tpu-llm")
kinds = ("adc-", "device-")
layered = {each.name: ["pim-llm", each.name] for each in presets() if each.name.startswith(kinds)}
sources = dict(zip(("defaults", "pim", "fitted links", "tpu"), names))
sources |= {name: {"extends": layers} for name, layers in layered.items()}
print(json.dumps({name: load_config(source).model_dump(mode="json") for name, source in sources.items()}))
"""
LIBRARY = """
import json
from pimsim import load_config, load_search, load_sweep, poisson_requests, serve, simulate, study_array
config = load_config("pim-llm", ["workload.model=gpt2-small", "schedule=dataflow"])
result = simulate(config)
requests = poisson_requests(5.0, 10, prompt="uniform:8:32", output="lognormal:8:0.5", seed=3)
study = study_array(config, rows=64, columns=32, vectors=8, chips=2, seed=5)
shown = {
    "frame": json.loads(result.to_dataframe().to_json(orient="split", double_precision=15)),
    "summary": result.summary(),
    "served": serve(config, requests).to_dict(),
    "array": study.summary(),
}
print(json.dumps(shown))
"""

LIBRARY_NOW = LIBRARY.replace("study_array\n", "ArrayStudyOptions, study_array\n")
LIBRARY_NOW = LIBRARY_NOW.replace(
    "to_dataframe()", "to_dataframe().drop(columns=['memory_read_bytes', 'memory_write_bytes'])"
).replace(
    "study_array(config, rows=64, columns=32, vectors=8, chips=2, seed=5)",
    "study_array(config, options=ArrayStudyOptions(rows=64, columns=32, vectors=8, chips=2, seed=5))",
)

ARRAY_CASES = (
    Case(
        "array",
        _steps(
            f"array pim-llm {ARRAY} --json --csv chips.csv",
            f"array pim-llm {ARRAY} {WIRES}",
            f"array faulty.yaml {ARRAY} --json",
            "array pim-llm --rows 32 --columns 16 --vectors 4 --chips 2 --seed 7 --json "
            "--set machine.crossbar.pair.wires.model=exact --set machine.crossbar.pair.array.rows=32 "
            "--set machine.crossbar.pair.array.columns=32 --set machine.crossbar.pair.array.rows_at_once=32 "
            "--set machine.crossbar.pair.array.adcs=32",
        ),
        files={"faulty.yaml": inputs.FAULTY},
        new_files={"faulty.yaml": published(inputs.FAULTY)},
    ),
    Case(
        "accuracy",
        _steps(
            *(
                Step(f"{ACCURACY} {options}", f"{ACCURACY} {AS_COMPUTED} {options}")
                for options in (
                    "--tokens 128 --chips 2 --json --out study.h5 --csv chips.csv",
                    "--tokens 64 --chips 1 --vary stuck=0.001,0.01 --json --out varied.h5",
                    "--tokens 64 --chips 2 --seed 3",
                )
            )
        ),
        _steps(
            "accuracy study.h5 --json --csv read.csv", "accuracy study.h5", "accuracy varied.h5 --json --csv varied.csv"
        ),
    ),
)

RUN_CASES = (
    Case(
        "run",
        _steps(
            "run pim-llm --json --csv ops.csv --out run.h5",
            "run pim-llm --explain",
            "run pim-llm-fitted-links --context 1024 --json",
            "run pim-llm --model llama-3-8b --context 4096 --set workload.batch=4 --set workload.lm_head=true --json",
        ),
        _steps(
            "show run.h5 --json --csv read.csv",
            "show run.h5 --explain",
            "run run.h5 --json",
            "run run.h5 --set workload.context_length=512 --json",
        ),
    ),
    Case(
        "dataflow",
        _steps(
            "run pim-llm --schedule dataflow --explain --json --csv ops.csv --out run.h5",
            "run pim-llm --schedule dataflow --explain --set mapping.microbatches=2 --set workload.batch=4",
        ),
        _steps("show run.h5 --explain --json --csv read.csv", "show run.h5 --explain", "run run.h5 --json"),
    ),
    Case(
        "contended",
        _steps(
            "run pim-llm --schedule contended --explain --json --csv ops.csv --out run.h5",
            "run pim-llm --schedule contended --explain",
            "run memory.yaml --explain --json --out memory.h5",
        ),
        _steps(
            "show run.h5 --explain --json", "show run.h5 --explain", "show memory.h5 --json", "run memory.h5 --json"
        ),
        files={"memory.yaml": inputs.MEMORY},
        new_files={"memory.yaml": published(inputs.MEMORY) + inputs.OLD_DRAM},
    ),
    Case(
        "timeline",
        _steps(
            "run pim-llm --model gpt2-small --schedule dataflow --timeline timeline.json --out run.h5",
            "run pim-llm --model gpt2-small --schedule contended --timeline contended.json",
        ),
        _steps("show run.h5 --timeline read.json"),
    ),
    Case(
        "tpu-llm", _steps("run tpu-llm --json --csv ops.csv --out run.h5", "run tpu-llm"), _steps("show run.h5 --json")
    ),
    Case(
        "prefill",
        _steps(
            "run pim-llm --set workload.phase=prefill --set workload.prompt_length=64 --json --out run.h5",
            "run pim-llm --set workload.phase=prefill --schedule dataflow --explain",
        ),
        _steps("show run.h5 --json"),
    ),
    Case(
        "generation",
        _steps(
            "run generate.yaml --json --csv steps.csv",
            "run generate.yaml --schedule dataflow --set workload.samples=4 --json",
            "run generate.yaml",
        ),
        files={"generate.yaml": inputs.GENERATE},
        new_files={"generate.yaml": published(inputs.GENERATE)},
    ),
    Case(
        "chips",
        _steps(
            "run pim-llm --set mapping.provisioning=swap --set machine.chips.count=2 --json --csv ops.csv --out run.h5",
            "run pim-llm --set mapping.provisioning=swap --set machine.chips.count=2 --schedule dataflow --explain",
        ),
        _steps("show run.h5 --explain --json", "run run.h5 --json"),
    ),
    Case(
        "trace",
        _steps(
            "trace make gpt2-small --context 64 --lm-head --out made.json",
            "trace show made.json",
            "trace show opt-6.7b-decode-1024",
            "run pim-llm --trace made.json --json --out run.h5",
        ),
        _steps(
            "trace show made.json", "run pim-llm --trace made.json --json", "show run.h5 --json", "run run.h5 --json"
        ),
    ),
)

PAPER_CASES = (
    Case("reproduce", _steps("reproduce all --json --csv tables", "reproduce all")),
    Case(
        "corrected",
        _steps("reproduce --accounting corrected --json --csv tables", "reproduce --accounting corrected"),
    ),
    Case("calibrate", _steps("calibrate --json", "calibrate --variants --json", "calibrate --variants")),
)

SEARCH_CASES = (
    Case(
        "sweep",
        _steps(
            "sweep grid.yaml --workers 1 --json --out grid.h5",
            "sweep saltelli.yaml --workers 2 --json --out saltelli.h5",
            Step(
                "results grid.h5 --pareto tokens_per_s,area_m2 --by model",
                "results front grid.h5 tokens_per_s,area_m2 --by model",
            ),
            Step(
                "results grid.h5 --best gops_per_w --by model --top 2 --json",
                "results best grid.h5 gops_per_w --by model --top 2 --json",
            ),
            Step(
                "results grid.h5 --sensitivity tokens_per_s --csv sensitivity.csv",
                "results sensitivity grid.h5 tokens_per_s --csv sensitivity.csv",
            ),
            Step(
                "results saltelli.h5 --sensitivity tokens_per_s --json",
                "results sensitivity saltelli.h5 tokens_per_s --json",
            ),
            Step("results saltelli.h5 --sensitivity tokens_per_s", "results sensitivity saltelli.h5 tokens_per_s"),
        ),
        _steps(
            Step("results grid.h5 --json --csv points.csv", "results show grid.h5 --json --csv points.csv"),
            Step("results grid.h5", "results show grid.h5"),
            Step(
                "results grid.h5 --where 'side == 64' --sort tokens_per_s --descending --json",
                "results show grid.h5 --where 'side == 64' --sort tokens_per_s --descending --json",
            ),
            Step("results saltelli.h5 --json", "results show saltelli.h5 --json"),
        ),
        files={"grid.yaml": inputs.GRID, "saltelli.yaml": inputs.SALTELLI},
        new_files={
            "grid.yaml": f"{published(inputs.GRID)}set: {{{inputs.ANY_ARRAY}}}\n",
            "saltelli.yaml": published(inputs.SALTELLI),
        },
    ),
    Case(
        "optimize",
        _steps("optimize search.yaml --json --out search.h5", "optimize search.yaml --trials 5 --out five.h5"),
        _steps(
            Step("results search.h5 --json", "results show search.h5 --json"),
            Step("results search.h5 --pareto tokens_per_s,area_m2", "results front search.h5 tokens_per_s,area_m2"),
        ),
        files={"search.yaml": inputs.SEARCH},
        new_files={"search.yaml": published(inputs.SEARCH).replace("set: {", f"set: {{{inputs.ANY_ARRAY}, ")},
    ),
    Case(
        "serve",
        _steps(
            "serve pim-llm --poisson 0.2 --count 20 --seed 1 --json --csv requests.csv --out served.h5",
            "serve pim-llm --requests requests-chat",
            "serve pim-llm --poisson 4 --count 20 --prompt uniform:8:64 --output lognormal:16:0.5 --json "
            "--set workload.model=gpt2-small --set schedule=dataflow --set serving.policy=mixed "
            "--set serving.prefill_tokens=32 --set serving.max_simulated_steps=10",
        ),
        _steps(Step(READ_SERVING, READ_SERVING.replace("pimsim.serving.store", "pimsim"), python=True)),
    ),
)

OTHER_CASES = (
    Case(
        # Not `configs`: it lists the frozen ones, which the old revision did not have.
        "catalog",
        _steps(*(f"{what}{form}" for what in ("models", "devices") for form in ("", " --json"))),
    ),
    Case(
        # Not the presets of memories: their energies follow from currents now.
        "configs",
        _steps(
            Step(
                CONFIGS,
                CONFIGS.replace("pimsim.catalog", "pimsim.config.catalog").replace(
                    'names = ("defaults"', 'names = ("stock.yaml"'
                ),
                python=True,
            )
        ),
        new_files={"stock.yaml": inputs.STOCK},
    ),
    Case("library", _steps(Step(LIBRARY, LIBRARY_NOW, python=True))),
    # Without reads: an old config that names leakage_gating or a dataflow is refused with a sentence.
    Case(
        "init",
        _steps("init mine.yaml", Step("run mine.yaml --json", "run stock.yaml --set name=mine --json")),
        new_files={"stock.yaml": inputs.STOCK},
    ),
    Case(
        "import-mnsim",
        _steps(
            "import mnsim SimConfig.ini --out mnsim.yaml",
            Step(
                "run mnsim.yaml --set workload.model=gpt2-small --json",
                "run both.yaml --set workload.model=gpt2-small --json",
            ),
        ),
        # Without reads: what an old config does not state is a new default.
        files={"SimConfig.ini": inputs.MNSIM},
        new_files={"stock.yaml": inputs.STOCK, "both.yaml": "extends: [stock.yaml, mnsim.yaml]\n"},
    ),
    Case(
        "import-scalesim",
        _steps(
            "import scalesim google.cfg --topology gemms.csv --out google.yaml",
            Step("run google.yaml --json", "run both.yaml --json"),
        ),
        files={"google.cfg": inputs.SCALESIM, "gemms.csv": inputs.GEMMS},
        # The old revision took M for the outputs, and its ws keeps what is keeps now.
        new_files={
            "google.cfg": inputs.SCALESIM.replace("Dataflow: ws", "Dataflow: is"),
            "gemms.csv": inputs.GEMMS.replace("100,40,64", "40,100,64").replace("100,64,100", "64,100,100"),
            "stock.yaml": inputs.STOCK,
            "both.yaml": "extends: [stock.yaml, google.yaml]\n",
        },
    ),
)

CASES = (*ARRAY_CASES, *RUN_CASES, *PAPER_CASES, *SEARCH_CASES, *OTHER_CASES)
"""All cases; those whose first run compiles kernels come first."""
