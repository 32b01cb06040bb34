"""All commands: help texts, options and exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import pimsim.simulation
from pimsim import load_config, load_sweep, run_sweep, simulate
from pimsim.base.errors import StalledError
from pimsim.base.shipped_files import find_trace, list_traces
from pimsim.cli.app import app
from pimsim.results.store import write_result
from pimsim.studies.paper.fits import BANDWIDTH_KEY, CONVERSION_KEY, CYCLE_KEY, HOP_KEY, PE_BUFFER_KEY, TILE_BUFFER_KEY
from pimsim.studies.paper.paper_tables import ITEMS
from pimsim.version import __version__
from tests.pimsim.importers.test_mnsim import ini as mnsim_ini
from tests.pimsim.importers.test_scalesim import V2 as SCALESIM
from tests.pimsim.importers.test_scalesim import cfg as scalesim_cfg
from tests.support.closeness import near
from tests.support.command_line import SECONDS, assert_refused, interruptible, pimsim_process
from tests.support.command_line import pimsim as run_pimsim
from tests.support.counts import DEEP

SMALL = ("--set", "workload.model=gpt2-small")
SHIPPED_TRACES = {
    "gpt2-medium-decode-128": ("gpt2-medium", 128),
    "llama-3-8b-decode-4096": ("llama-3-8b", 4096),
    "opt-6.7b-decode-1024": ("opt-6.7b", 1024),
}
FIRST_COLUMNS = {
    "fig1b": "model,d_model,context_length,low_precision_share",
    "fig4": "model,context_length,dataflow",
    "fig5": "model,context_length,machine,tokens_per_s",
    "fig6": "model,context_length,part,share",
    "fig7": "model,context_length,machine,tokens_per_j",
    "fig8": "model,context_length,machine,words_per_charge",
    "table3": "design,model,context_length,gops,gops_per_w,origin",
}


# --- help -----------------------------------------------------------------------------------------------------------


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from commands(command.get_command(None, name), (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_all_commands_exist() -> None:
    assert {" ".join(path) for path in COMMANDS} >= {
        "", "run", "show", "reproduce", "calibrate", "init", "models", "configs", "devices", "import", "import mnsim",
        "import scalesim", "trace", "trace make", "trace show", "results", "results show", "results front",
        "results best", "results sensitivity", "results plot",
    }  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_an_example_and_explains_every_option(path: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        shown = run_pimsim(*path, option).ok
        assert re.match(rf"Usage: .*{' '.join(('pimsim', *path))} ", shown)
        assert "Example: pimsim " in shown
    for parameter in COMMANDS[path].params:
        assert parameter.help, f"{parameter.name} is not explained"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_tables_of_commands_agree_with_their_modules(path: tuple[str, ...]) -> None:
    assert COMMANDS[path].name == (path[-1] if path else "pimsim")
    for name, (module, summary) in getattr(COMMANDS[path], "table", {}).items():
        assert import_module(module).app
        assert f"  {name}" in run_pimsim(*path, "--help").ok
        assert len(f"  {name}  {summary}") < 79, "fits a line of the help text"


LONG = {("calibrate",)} if DEEP else {("calibrate",), ("sweep",)}
"""Commands whose examples are too slow: one always, one in `make test`."""


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in LONG], ids=" ".join)
def test_the_example_of_every_help_works(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # What examples begin with: a stored result, and configs of other simulators.
    write_result(simulate(load_config("pim-llm", ["workload.model=gpt2-small"])), "result.h5")
    Path("SimConfig.ini").write_text(mnsim_ini(), encoding="utf-8")
    Path("google.cfg").write_text(scalesim_cfg(SCALESIM), encoding="utf-8")
    sweep = {"name": "points", "base": "pim-llm", "models": ["gpt2-small"], "contexts": [16, 32]}
    run_sweep(load_sweep(sweep), "points.h5", workers=1)
    search = sweep | {"name": "search", "objectives": ["tokens_per_s"], "trials": 3}
    Path("search.yaml").write_text(yaml.safe_dump(search), encoding="utf-8")
    before = set(tmp_path.iterdir())
    program, *args = shlex.split(COMMANDS[path].epilog.removeprefix("Example: "))
    assert program == "pimsim"
    outcome = run_pimsim(*args)
    assert outcome.ok or set(tmp_path.iterdir()) > before


@pytest.mark.parametrize("path", [(), ("trace",)], ids=["pimsim", "trace"])
def test_a_group_without_subcommand_lists_its_commands(path: tuple[str, ...]) -> None:
    outcome = run_pimsim(*path)
    assert outcome.code == 2
    assert "Commands:" in outcome.out + outcome.err


def test_version() -> None:
    assert run_pimsim("--version").ok == f"pimsim {__version__}\n"


def test_help_and_run_import_only_what_they_need() -> None:
    """The limits are 0.3 s for help and 1 s for a run, so that unused libraries must not be imported."""

    def imported(*args: str) -> set[str]:
        code = (
            "import sys\n"
            f"sys.argv = {['pimsim', *args]!r}\n"
            "from pimsim.cli.app import main\n"
            "try:\n    main()\nfinally:\n    print('IMPORTED', *sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=SECONDS)
        return set(done.stdout.rpartition("IMPORTED")[2].split())

    assert not imported("--help") & {"numpy", "pydantic", "yaml", "simpy", "rich.table", "pandas", "h5py", "numba"}
    modules = imported("run", "pim-llm", *SMALL)
    assert "simpy" in modules
    assert not modules & {"pandas", "h5py", "numba"}


# --- run ------------------------------------------------------------------------------------------------------------


def test_run_shows_a_summary() -> None:
    shown = run_pimsim("run", "pim-llm", *SMALL, "--set", "workload.context_length=300").ok
    assert shown.startswith("pim-llm: gpt2-small, decode at context 300,")
    assert "tokens/s" in shown


def test_json_is_the_result_as_a_dict() -> None:
    shown = json.loads(run_pimsim("run", "pim-llm", *SMALL, "--json").ok)
    expected = simulate(load_config("pim-llm", ["workload.model=gpt2-small"])).to_dict()
    assert shown == json.loads(json.dumps(expected))
    assert shown["summary"]["model"] == "gpt2-small"
    assert shown["config"]["workload"]["model"] == "gpt2-small"


def test_csv_has_a_row_per_op(tmp_path: Path) -> None:
    path = tmp_path / "ops.csv"
    shown = run_pimsim("run", "pim-llm", *SMALL, "--csv", path).ok
    assert "tokens/s" in shown, "the summary comes as well"
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert rows == [{key: str(value) for key, value in row.items()} for row in result.op_rows()]
    assert [row["op"] for row in rows] == [op.name for op in result.ops]


def test_a_result_file_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    first = run_pimsim("run", "pim-llm", *SMALL, "--set", "operations_per_mac=2", "--out", path, "--json").ok
    assert path.read_bytes().startswith(b"\x89HDF")
    assert run_pimsim("run", path, "--json").ok == first
    changed = json.loads(run_pimsim("run", path, "--set", "workload.context_length=7", "--json").ok)
    assert changed["summary"]["context_length"] == 7
    assert changed["summary"]["operations_per_mac"] == 2
    assert [each.name for each in tmp_path.iterdir()] == ["result.h5"]


def test_overrides_apply_in_order_and_accept_units() -> None:
    shown = run_pimsim(
        "run", "pim-llm", *SMALL,
        "--set", "machine.mesh.link_bandwidth_bps=1 Gb/s",
        "--set", "machine.mesh.link_bandwidth_bps=40 Gb/s",
        "--json",
    ).ok  # fmt: skip
    assert json.loads(shown)["config"]["machine"]["mesh"]["link_bandwidth_bps"] == 40e9


def test_a_config_file_runs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nname: mine\nworkload: {model: gpt2-small}\n", encoding="utf-8")
    assert run_pimsim("run", path).ok.startswith("mine: gpt2-small,")


@pytest.mark.parametrize("name", SHIPPED_TRACES)
def test_a_shipped_trace_gives_the_result_of_its_model(name: str) -> None:
    model, context_length = SHIPPED_TRACES[name]
    by_trace = json.loads(run_pimsim("run", "pim-llm", "--trace", name, "--json").ok)
    by_model = json.loads(
        run_pimsim(
            "run", "pim-llm", "--set", f"workload.model={model}", "--set", f"workload.context_length={context_length}",
            "--json",
        ).ok
    )  # fmt: skip
    assert by_trace.pop("config")["workload"]["trace"] == name
    assert by_model.pop("config")["workload"]["trace"] is None
    assert by_trace == by_model


@pytest.mark.parametrize("name", ["trace.json", "a: b #c.json", "null", "1e5", "'q", "ü {x}.json", "-1"])
def test_a_trace_file_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(find_trace("gpt2-medium-decode-128").read_bytes())
    shown = json.loads(run_pimsim("run", "tpu-llm", f"--trace={name}", "--json").ok)
    assert shown["config"]["workload"]["trace"] == str(tmp_path / name), "it can be run again from anywhere"
    assert shown["summary"]["model"] == "gpt2-medium"


# --- trace ----------------------------------------------------------------------------------------------------------


def test_all_shipped_traces_exist() -> None:
    assert set(list_traces()) == set(SHIPPED_TRACES)


@pytest.mark.parametrize("name", SHIPPED_TRACES)
def test_shipped_traces_equal_the_output_of_trace_make(name: str, tmp_path: Path) -> None:
    model, context_length = SHIPPED_TRACES[name]
    shipped = find_trace(name).read_bytes()
    assert run_pimsim("trace", "make", model, "--context", str(context_length)).ok.encode() == shipped
    path = tmp_path / "made.json"
    assert run_pimsim("trace", "make", model, "--context", str(context_length), "--out", path).ok == ""
    assert path.read_bytes() == shipped


def test_trace_make_may_include_both_ends_of_the_model() -> None:
    made = json.loads(run_pimsim("trace", "make", "gpt2-small", "--context", "9", "--embedding", "--lm-head").ok)
    assert [block["name"] for block in made["blocks"]] == ["embedding", "layer", "lm_head"]


@pytest.mark.parametrize("name", SHIPPED_TRACES)
def test_trace_show_has_every_op(name: str) -> None:
    shown = run_pimsim("trace", "show", name).ok
    ops = json.loads(find_trace(name).read_text(encoding="utf-8"))["blocks"][0]["ops"]
    assert shown == run_pimsim("trace", "show", find_trace(name)).ok
    for op in ops:
        assert re.search(rf"^layer x\d+ +{op['name']} +{op['kind']} ", shown, re.MULTILINE)
    model, context_length = SHIPPED_TRACES[name]
    macs = simulate(load_config("pim-llm", [f"workload.trace={name}"])).macs
    assert shown.startswith(f"{model}, decode at context {context_length:,}: {macs:,} MACs\n")


# --- reproduce ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("reproduce") / "made" / "anew"
    return json.loads(run_pimsim("reproduce", "all", "--json", "--csv", folder).ok), folder


REPRODUCE = pytest.mark.xdist_group("reproduce all")


@REPRODUCE
def test_reproduce_writes_one_file_per_item(everything: tuple[Any, Path]) -> None:
    _, folder = everything
    assert {path.name for path in folder.iterdir()} == {f"{item}.csv" for item in FIRST_COLUMNS}


@REPRODUCE
@pytest.mark.parametrize("item", FIRST_COLUMNS)
def test_reproduced_csv_files_start_with_the_documented_columns(everything: tuple[Any, Path], item: str) -> None:
    shown, folder = everything
    text = (folder / f"{item}.csv").read_text(encoding="utf-8")
    assert text.startswith(FIRST_COLUMNS[item] + ",")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == {"fig1b": 42, "fig4": 21, "fig5": 84, "fig6": 294, "fig7": 84, "fig8": 84, "table3": 12}[item]
    assert rows == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in shown[item]["rows"]
    ]


@REPRODUCE
def test_reproduced_fig5_has_empty_cells_where_nothing_is_published(everything: tuple[Any, Path]) -> None:
    _, folder = everything
    rows = list(csv.DictReader(io.StringIO((folder / "fig5.csv").read_text(encoding="utf-8"))))
    assert sum(row["published"] != "" for row in rows) == 18
    assert all((row["published"] == "") == (row["deviation_percent"] == "") for row in rows)
    for row in rows:
        if row["published"]:
            off_percent = 100 * (float(row["tokens_per_s"]) / float(row["published"]) - 1)
            assert float(row["deviation_percent"]) == pytest.approx(off_percent)
    assert {row["machine"] for row in rows} == {"tpu-llm", "pim-llm"}


@REPRODUCE
def test_reproduced_json_has_title_rows_and_notes(everything: tuple[Any, Path]) -> None:
    shown, _ = everything
    assert list(shown) == list(ITEMS)
    for item in shown.values():
        assert item["title"]
        assert item["rows"]
        assert all(isinstance(note, str) for note in item["notes"])


def test_reproduce_prints_simulated_and_published_values(tmp_path: Path) -> None:
    shown = run_pimsim("reproduce", "fig1b", "fig1b", "--csv", tmp_path).ok
    assert shown.count("Fig. 1b") == 1
    assert re.search(
        r"^model +d model +context length +low precision share +published +deviation %", shown, re.MULTILINE
    )
    assert re.search(r"^opt-350m +1024 +128 +0\.9668 +0\.967 +-0\.02$", shown, re.MULTILINE)
    assert re.search(r"^opt-350m +1024 +256 +0\.9399 *$", shown, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["fig1b.csv"]


def test_reproduce_without_an_item_means_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def reproduce(items: list[str], accounting: str) -> dict[str, object]:
        assert accounting == "published"
        asked.append(items)
        return {}

    monkeypatch.setattr("pimsim.studies.paper.reproduce", reproduce)
    assert run_pimsim("reproduce").ok == ""
    assert asked == [["all"]]


@pytest.mark.parametrize(("item", "hint"), [("fig9", "did you mean fig"), ("tabel3", "did you mean table3?")])
def test_an_unknown_item_is_refused_with_the_nearest(item: str, hint: str, tmp_path: Path) -> None:
    outcome = run_pimsim("reproduce", "fig5", item, "--csv", tmp_path / "new")
    assert_refused(outcome, 2)
    assert repr(item) in outcome.err
    assert hint in outcome.err
    assert "fig1b, fig4, fig5, fig6, fig7, fig8, table3, all" in outcome.err
    assert list(tmp_path.iterdir()) == [], "nothing is made before all is known to be right"


# --- calibrate ------------------------------------------------------------------------------------------------------


def test_calibrate_shows_each_fitted_constant_beside_its_stock_value() -> None:
    keys = (CYCLE_KEY, CONVERSION_KEY, HOP_KEY, BANDWIDTH_KEY, PE_BUFFER_KEY, TILE_BUFFER_KEY)
    fits = json.loads(run_pimsim("calibrate", "--json").ok)["fits"]
    assert [each["key"] for each in fits] == list(keys)
    # Array cycle, conversion, bit and hop, link, and the cycle of both buffers: docs/accounting.md.
    values = [32.39e-12, 12.04e-12, 0.09027e-12, 19.646e9, 19.924e-9, 19.924e-9]
    assert [each["value"] for each in fits] == near(values, rel=5e-4)
    assert [each["stock"] for each in fits] == near([7.36e-12, 10.08e-12, 0.48e-12, 20e9, 20e-9, 20e-9])
    assert all(each["fitted_to"] for each in fits)
    shown = run_pimsim("calibrate").ok
    assert all(re.search(rf"^{re.escape(key)} +\S+ \S+ +\S+ \S+ +\S+ ", shown, re.MULTILINE) for key in keys)


# --- ways to end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (2, ["run"]),
        (2, ["run", "pim-llm", "--nonsense"]),
        (2, ["runn"]),
        (2, ["trace", "make", "opt-6.7b"]),
        (2, ["trace", "make", "opt-6.7b", "--context", "many"]),
        (2, ["reproduce", "fig99"]),
        (3, ["run", "nothing-of-this-name"]),
        (3, ["run", "pim-llm", "--set", "machine.mesh.rows=0"]),
        (3, ["run", "pim-llm", "--set", "machine.mesh.link_bandwidth_bps=20 ns"]),
        (4, ["run", "pim-llm", "--set", "workload.model=gpt5"]),
        (4, ["run", "pim-llm", "--trace", "nothing-of-this-name"]),
        (4, ["trace", "show", "nothing-of-this-name"]),
        (4, ["trace", "make", "gpt5", "--context", "3"]),
        (5, ["run", "defaults", "--set", "workload.model=opt-6.7b"]),
        (5, ["run", "pim-llm", "--set", "machine.mesh.rows=2"]),
        (7, ["run", "pim-llm", "--csv", "no/such/folder/x.csv"]),
        (7, ["run", "pim-llm", "--out", "no/such/folder/x.h5"]),
        (7, ["trace", "make", "gpt2-small", "--context", "3", "--out", "no/such/folder/x.json"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_each_kind_of_error_has_its_exit_code(
    code: int, args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run_pimsim(*args), code)
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_a_large_model_names_its_tiles_and_solutions() -> None:
    """Each solution that the message names works."""
    outcome = run_pimsim("run", "defaults", "--set", "workload.model=opt-1.3b")
    assert_refused(outcome, 5)
    assert re.search(r"opt-1\.3b needs 4,608 tiles in \d+ banks; the machine has 1 of 4,096 tiles", outcome.err)
    offered = re.findall(
        r"machine\.crossbar\.banks=\d+|machine\.chips\.count=\d+|mapping\.provisioning=\w+", outcome.err
    )
    assert len(offered) == 4
    for override in offered:
        assert run_pimsim("run", "defaults", "--set", "workload.model=opt-1.3b", "--set", override).ok


def test_a_damaged_result_file_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    assert_refused(run_pimsim("run", path), 8)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StalledError("scores waits for q_proj"), 6, "pimsim: scores waits for q_proj\n"),
        (KeyboardInterrupt(), 130, None),
        (ZeroDivisionError("division by zero"), 70, "pimsim: internal error: ZeroDivisionError: division by zero. "),
        (RecursionError("too deep"), 70, "pimsim: internal error: too deep"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_exception_ends_in_one_line(
    error: BaseException, code: int, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.delenv("PIMSIM_DEBUG", raising=False)
    monkeypatch.setattr(pimsim.simulation, "simulate", fail)
    outcome = run_pimsim("run", "pim-llm")
    assert (outcome.code, outcome.out) == (code, "")
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 1
    if text is not None:
        assert outcome.err.startswith(text)


def test_pimsim_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pimsim.simulation, "simulate", fail)
    assert "PIMSIM_DEBUG=1 shows the traceback" in run_pimsim("run", "pim-llm").err
    monkeypatch.setenv("PIMSIM_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["pimsim", "run", "pim-llm"])
    with pytest.raises(ZeroDivisionError):
        pimsim.cli.app.main()


def test_an_interrupt_ends_it_at_once() -> None:
    code = """
import sys, time
import pimsim.simulation
from pimsim.cli.app import main

def simulate(config):
    print("started", file=sys.stderr, flush=True)
    time.sleep(600)

pimsim.simulation.simulate = simulate
sys.argv = ["pimsim", "run", "pim-llm"]
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    assert process.stderr
    assert process.stderr.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert out == ""
    assert err in ("", "pimsim: interrupted\n")


@pytest.mark.parametrize("command", ["reproduce fig6", "reproduce fig6 --json", "trace make gpt2-small --context 3"])
def test_a_closed_pipe_is_not_an_error(command: str) -> None:
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m pimsim {command} | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["run pim-llm", "run pim-llm --json", "trace make gpt2-small --context 3"])
def test_a_full_disk_behind_standard_output_is_reported(command: str) -> None:
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m pimsim {command} > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 7
    assert done.stderr == "pimsim: standard output: cannot be written: No space left on device\n"


def test_a_closed_standard_output_is_not_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ops.csv"
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m pimsim run pim-llm --csv {shlex.quote(str(path))} >&-",
        shell=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert path.exists()


def test_messages_go_to_standard_error_and_results_to_standard_output() -> None:
    refused = pimsim_process("run", "pim-lm")
    assert_refused(refused, 3)
    assert "did you mean pim-llm?" in refused.err
    assert pimsim_process("--version").ok == f"pimsim {__version__}\n"
