"""The pages of docs/ are true: generated parts are current, examples print what is shown, names and links exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from pimsim import load_config, reproduce, simulate
from pimsim.config.json_schema import schema_index
from pimsim.config.schema import Config
from pimsim.config.schema.config_tree import Slot
from pimsim.simulation import model_spec
from pimsim.studies.paper import published_accounting as accounting
from tests.docs.doc_examples import ROOT, differences, examples, run, write_configs
from tests.support.counts import DEEP

DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")), *DOCS]
PACKAGES = ("crossbar", "pimsim", "workloads")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_generated_parts_are_current() -> None:
    command = [sys.executable, "-m", "tools.generate_docs", "--check", *([] if DEEP else ["--quick"])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


LONG = (
    "docs/analysis.md",
    "docs/array.md",
    "docs/mitigations.md",
    "docs/serving.md",
    "docs/serving-systems.md",
    "docs/sweeps.md",
)
"""Pages whose examples take longest: in `make test-deep` only."""


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_examples_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    if name(page) in LONG and not DEEP:
        pytest.skip("in make test-deep only: it takes long")
    for path in write_configs(page, tmp_path):
        simulate(load_config(path))
    # One after another, since a command may read what an earlier one has written.
    wrong = {each.where: differences(each.expected, run(each, tmp_path)) for each in examples(page)}
    assert not {where: difference for where, difference in wrong.items() if difference}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_relative_to(ROOT), target
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_architecture_page_names_every_module_and_no_other() -> None:
    named, folder = set(), ""
    # The table before this line is about folders, not modules.
    tables = text_of("docs/architecture.md").partition("<!-- end: folder-imports -->")[2]
    for line in tables.splitlines():
        if heading := re.match(r"\| `([\w/]+)/` \|", line):
            folder = heading[1]
        elif row := re.match(r"\| `(\w+\.py)` \|", line):
            named.add(f"{folder}/{row[1]}")
    there = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert named == there


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_config_keys_exist(page: Path) -> None:
    index = schema_index(Config)
    roots = "|".join(index.keys(()))
    for key in re.findall(rf"(?<![\w./-])((?:{roots})(?:\.[a-z_][a-z0-9_]*)+)", page.read_text(encoding="utf-8")):
        *section, last = key.split(".")
        if section[-1] == "timings":  # the standard of a DRAM names its keys
            continue
        if section == ["machine", "outside"]:  # its keys are slots, which the index of the schema does not have
            assert last in get_args(Slot), key
            continue
        if last not in ("yaml", "py", "md") and "link_bandwith_bps" not in key:  # a file; a slip that a page shows
            assert last in index.keys(tuple(section)), key


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    folders = "|".join((*PACKAGES, "configs", "traces", "docs", "tests", "benchmarks"))
    for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_nothing_of_the_writer_s_machine_is_named(page: Path) -> None:
    assert not re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users)/\S*", page.read_text(encoding="utf-8"))


def test_the_picture_is_light() -> None:
    pictures = [path for path in (ROOT / "docs" / "images").iterdir() if path.is_file()]
    assert pictures
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    for path in pictures:
        assert path.stat().st_size < 200_000, path.name
        assert any(f"images/{path.name}" in page for page in pages), path.name


def variants() -> list[dict[str, str]]:
    """The generated table of placement variants."""
    table = text_of("docs/placement.md").partition("<!-- generated: variants")[2].partition("<!-- end")[0]
    head, _, *rows = [
        [cell.strip(" *") for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line
    ]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_variants_in_the_sentences_of_the_accounting_page() -> None:
    text = " ".join(text_of("docs/accounting.md").split())
    worst = {(row["Q, K, V"], row["order"], row["groups"], row["last output"]): row["worst %"] for row in variants()}
    assert len(worst) == 64
    chain, side = (min((v for k, v in worst.items() if k[0] == how), key=float) for how in ("in a chain", "at once"))
    assert f"no placement comes closer to Fig. 5 than {chain} %; in parallel, one comes to {side} %" in text
    stays = worst["at once", "shells", "one", "stays"]
    assert f"Without this transfer, the parallel variant has a deviation of {stays} %" in text
    port = worst["at once", "shells", "attention, ffn", "port"]
    assert f"the variant `attention, ffn` with `port`: {port} %" in text


def test_energies_in_the_sentences_of_the_accounting_page() -> None:
    text = " ".join(text_of("docs/accounting.md").split())
    result = simulate(load_config("pim-llm-published", ["workload.context_length=4096"]))
    every, one = (accounting.systolic_energy_j(result, layers_counted_once=once) * 1e3 for once in (False, True))
    rest = accounting.crossbar_energy_j(result) * 1e3
    assert (
        f"attention of OPT-6.7B needs {every:.3f} mJ in 32 layers and {one:.3f} mJ in one, compared with {rest:.3f} mJ"
        in text
    )
    short = simulate(load_config("pim-llm-published"))
    outside = sum(short.component_energy_j(each) for each in ("memory", "sram")) / short.energy_j
    assert 0.48 < outside < 0.52
    assert "Memory and global buffer are half of the energy of `pimsim run pim-llm-published` at context 128" in text


def times_ms(name: str, *changes: Mapping[str, object]) -> list[str]:
    """Durations of a config with each of some changes, as pages print them."""
    return [f"{simulate(load_config(name, change)).latency_s * 1e3:.2f}" for change in changes]


def test_choices_of_the_mesh_in_the_sentences_of_the_network_page() -> None:
    text = " ".join(text_of("docs/network.md").split())
    mesh = load_config("pim-llm").machine.mesh
    assert mesh
    keys = ("routes", "multicast", "switching", "packet_bits", "router_latency_s")
    shipped = {f"machine.mesh.{key}": getattr(mesh, key) for key in keys}
    plain, routed, cut = times_ms("pim-llm-published", {}, {"machine.mesh.routes": "trace"}, shipped)
    assert f"OPT-6.7B takes {plain} ms; {routed} ms with `routes: trace`, nearly twice as much; and {cut} ms" in text
    small = {"workload.model": "opt-1.3b"}
    plain, routed, cut = times_ms(
        "pim-llm-published", small, {**small, "machine.mesh.routes": "trace"}, {**small, **shipped}
    )
    assert f"For OPT-1.3B the three are {plain}, {routed} and {cut} ms" in text
    stored = {"machine.mesh.switching": "store_and_forward", "machine.mesh.packet_bits": None}
    slow, fast = (float(each) for each in times_ms("pim-llm", stored, {}))
    assert f"It takes {slow - fast:.1f} ms more for OPT-6.7B" in text


def test_ports_and_memory_in_the_sentences_of_their_pages() -> None:
    unlimited, limited = times_ms("pim-llm", {"machine.sram.ports": None}, {})
    sentence = f"takes {unlimited} ms for its decode step without the limit, and {limited} ms with it"
    assert sentence in " ".join(text_of("docs/model.md").split())
    result = simulate(load_config("pim-llm"))
    read_mj, waiting_mj = (result.energies_j[f"memory.{each}"] * 1e3 for each in ("read_bit", "leakage"))
    text = " ".join(text_of("docs/memory.md").split())
    assert f"Of the {result.energy_j * 1e3:.2f} mJ of a token of OPT-6.7B" in text
    assert f"reads take {read_mj:.1f} mJ and background power {waiting_mj:.1f} mJ" in text
    assert f"the reads would take {read_mj * 20 / 5.46:.1f} mJ" in text


def test_figures_of_other_schedules_and_shapes_in_the_corrections() -> None:
    text = text_of("docs/corrections.md")
    serial, dataflow, contended = (
        simulate(load_config("pim-llm", {"schedule": each})) for each in ("serial", "dataflow", "contended")
    )
    times = [f"{each.latency_s * 1e3:.1f} ms" for each in (serial, dataflow, contended)]
    assert "{} serial, {} dataflow, {} contended".format(*times) in text
    assert f"30.87 ms | {contended.latency_s * 1e3:.2f} ms |" in text
    assert f"4.53 ms | {contended.parts_ps['contention'] / 1e9:.2f} ms |" in text
    wide = simulate(load_config("pim-llm", {"machine.crossbar.pair.adc.bits": 8}))
    assert f"26.81 mJ; 241.6 | {wide.energy_j * 1e3:.2f} mJ; {wide.gops_per_w:.1f} |" in text
    front = {
        "workload.model": "opt-1.3b",
        "machine.systolic.rows": 64,
        "machine.systolic.columns": 64,
        "machine.crossbar.pair.array.adcs": 64,
        "machine.mesh.link_bandwidth_bps": "40 Gb/s",
    }
    best = simulate(load_config("pim-llm", front))
    assert f"{best.tokens_per_s:.2f} tokens/s, {best.gops_per_w:.2f} GOPS/W, {best.area_m2 * 1e6:,.0f} mm^2" in text
    prefill = simulate(load_config("pim-llm", {"workload.phase": "prefill", "workload.prompt_length": 512}))
    mac_j, cycle_j = (prefill.energies_j[f"systolic.{each}"] for each in ("mac", "cycle"))
    assert f"any size | {0.23 * (mac_j + cycle_j) / mac_j:.2f} pJ at 512 tokens |" in text
    for name, config in (("published machine", "pim-llm-published"), ("buffers of the needed size", "pim-llm")):
        result = simulate(load_config(config))
        (idle,) = (each for each in result.accounting.left_out if each.name == "leakage of idle components")
        assert re.search(rf"{name}: {idle.energy_j:.2f} J [^|;]*against {result.energy_j * 1e3:.2f} mJ", text)


def test_the_accuracy_page_gives_the_layers_of_the_shipped_network() -> None:
    layers = model_spec(load_config("defaults", ["workload.model=kjv-bitnet"])).layers
    number = {1: "one layer", 2: "two layers", 3: "three layers", 4: "four layers"}[layers]
    assert f"one small character model with {number}" in " ".join(text_of("docs/accuracy.md").split())


def test_blind_values_in_the_sentences_of_the_accounting_page() -> None:
    text = " ".join(text_of("docs/accounting.md").split())
    tables = reproduce(["summary", "fig1b", "fig5", "fig8"])
    rows = tables["summary"].rows
    blind = sum(row["blind"] for row in rows)
    known = sum(row["values"] for row in rows if row["blind"]) - blind
    assert f"{known} of them were used to infer the rules" in text
    assert f"The other {blind} were withheld" in text
    share = next(r for r in tables["fig1b"].rows if (r["model"], r["context_length"]) == ("opt-350m", 1024))
    assert f"at context 1,024 is {share['low_precision_share']:.5f} here and {share['published']} in the paper" in text
    cell = ("gpt2-350m", 4096, "tpu-llm")
    words = next(r for r in tables["fig8"].rows if (r["model"], r["context_length"], r["machine"]) == cell)
    ours, theirs = (words[column] / 1e6 for column in ("words_per_charge", "published"))
    assert f"are {ours:.1f} million here and {theirs:g} million in the paper" in text
    llama = [r for r in tables["fig5"].rows if (r["model"], r["machine"]) == ("llama-7b", "pim-llm")]
    assert f"those of PIM-LLM within {max(abs(r['deviation_percent']) for r in llama):.2f} %" in text
    blind_pim = [r for r in tables["fig5"].rows if r["machine"] == "pim-llm" and r["blind"]]
    stock, fitted = (
        max(abs(r[column]) for r in blind_pim) for column in ("deviation_percent", "fitted_links_deviation_percent")
    )
    sentence = f"stock constants are within {stock:.2f} % of them, fitted ones within {fitted:.2f} %"
    assert sentence in " ".join(text_of("docs/placement.md").split())


def test_other_designs_in_the_sentences_of_the_study_page() -> None:
    text = " ".join(text_of("docs/study.md").split())
    tables = reproduce(["all"], "machines")
    rows = {(row["against"], row["counted"]): row for row in tables["claims"].rows}
    assert "the machine that its abstract describes is faster than PIM-LLM" in text
    assert all(row["ratio"] < 1 for (against, _), row in rows.items() if against == "hardsea")
    assert "The claim about TransPIM fails when the memory is counted on one side only" in text
    printed = {row["counted"]: row["verdict"] for row in tables["claims"].rows if row["other"] == 200}
    assert printed == {"as published": "holds", "layers": "fails", "token": "fails"}
    assert "Against a machine of TransPIM that counts everything, too, it holds" in text
    of_transpim = [row for (against, _), row in rows.items() if against.startswith("transpim")]
    assert "Both machines agree with it and are far below" in text
    assert all(row["verdict"] == "holds" and row["other"] < 200 / 10 for row in of_transpim)
    assert len(of_transpim) == 6
