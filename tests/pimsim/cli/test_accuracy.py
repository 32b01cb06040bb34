"""`pimsim accuracy`: printed output, files, refused arguments, and metrics of a sweep."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pimsim import evaluate_accuracy, load_config, load_sweep, read_sweep, simulate, vary_accuracy
from pimsim.base.errors import ResultFileError, WorkloadInputError
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.cli.config_loading import settings_of
from pimsim.present.formats import to_json
from pimsim.present.plots import accuracy_plots, rendered
from pimsim.present.text.accuracy_report import print_accuracy
from pimsim.studies.accuracy.accuracy_store import read_accuracy, write_accuracy
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from pimsim.studies.accuracy.paired_ratio import cost_text, verdict
from pimsim.studies.accuracy.parameter_study import AccuracyInterrupted
from pimsim.studies.sweep.measure.accuracy_metrics import _file_digest
from pimsim.studies.sweep.measure.metrics import METRICS
from pimsim.studies.sweep.running.evaluate_point import Evaluator
from tests.support.closeness import near
from tests.support.command_line import assert_refused, pimsim
from tests.support.printed import rows_below
from tests.support.tiny_models import NO_WIRES, PAIR, settings, tiny_model


def options(folder: Path) -> list[str]:
    return ["--threads=1", *(word for each in (*settings(folder), *NO_WIRES) for word in ("--set", each))]


def without(words: list[str], *keys: str) -> list[str]:
    """Return command line words without the overrides of some keys of the section `accuracy`."""
    first, *rest = words  # --threads, then --set and its value in turn
    pairs = zip(rest[::2], rest[1::2], strict=True)
    named = tuple(f"accuracy.{key}=" for key in keys)
    return [first, *(word for pair in pairs if not pair[1].startswith(named) for word in pair)]


@pytest.fixture(scope="module")
def study(folder: Path) -> AccuracyStudy:
    config = load_config("pim-llm", [*settings(folder), *NO_WIRES])
    return vary_accuracy(config, [("adc-bits", ("4", "8"))], threads=1)


def test_it_prints_writes_and_draws(folder: Path, study: AccuracyStudy, tmp_path: Path) -> None:
    out, table, plots = tmp_path / "a.h5", tmp_path / "a.csv", tmp_path / "plots"
    shown = pimsim("accuracy", "pim-llm", *options(folder), "--vary", "adc-bits=4,8", "--out", out).ok
    base = study.base
    assert base is not None
    assert "pim-llm: tiny, 48 tokens of text.txt in 2 windows, 2 chips, seed 0" in shown
    for value in (base.float_perplexity, base.exact_perplexity, base.perplexity):
        assert f"{value.mean:,.4g}" in shown
    for words in (
        "increase by the arrays",
        "next token",
        "saturated",
        "tokens/J",
        "GOPS/W",
        "residual",
        "adc-bits varied",
    ):
        assert words in shown
    lines = shown.splitlines()
    assert [line.partition(":")[0] for line in lines[1:3]] == ["counted", "left out"]  # these two do not wrap
    assert max(map(len, [lines[0], *lines[3:]])) <= 160
    assert read_accuracy(out) == study
    told = pimsim("accuracy", out, "--json", "--csv", table, "--plots", plots).ok
    assert json.loads(told) == json.loads(to_json(study.to_dict()))
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [float(row["perplexity"]) for row in rows] == [point.result.perplexity.mean for point in study.points]
    drawn = accuracy_plots(study)
    names = ("accuracy-layers", "accuracy-adc-bits", "accuracy-cost-adc-bits", "accuracy-trade")
    assert {path.name for path in plots.iterdir()} == {
        f"{name}.{end}" for name in names for end in ("png", "svg", "pdf")
    }
    for suffix, data in rendered(drawn["accuracy-adc-bits"]).items():
        assert (plots / f"accuracy-adc-bits.{suffix}").read_bytes() == data
    assert pimsim("accuracy", out).ok == pimsim("show", out).ok == shown
    assert_refused(pimsim("accuracy", out, "--vary", "adc-bits=4"), 2)


def test_one_config_alone(folder: Path, study: AccuracyStudy, tmp_path: Path) -> None:
    table = tmp_path / "chips.csv"
    told = json.loads(pimsim("accuracy", "pim-llm", *options(folder), "--json", "--csv", table).ok)
    base = study.base
    assert base is not None
    assert told == json.loads(to_json(base.to_dict()))
    parts = {
        "notes",
        "counted",
        "left_out",
        "plugins",
        "summary",
        "adc_series",
        "chips",
        "projections",
        "layers",
        "windows",
        "warnings",
        "config",
    }
    assert parts == set(told)
    figures = {"perplexity", "perplexity_per_character", "next_token_agreement", "tokens_per_s", "tokens_per_j"}
    assert figures <= set(told["summary"])
    assert len(list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))) == 2
    assert list(base.to_dataframe()["nll"]) == [row["nll"] for row in told["chips"]]
    short = pimsim(
        "accuracy", "pim-llm", *without(options(folder), "chips", "tokens"), "--chips=1", "--tokens=8", "--seed=4"
    ).ok
    assert "8 tokens of text.txt in 1 window, 1 chip, seed 4" in short
    assert "no interval" in short


def test_options_become_settings_of_the_section() -> None:
    given = {"bos": False, "tokens": 5, "text": "a b", "chips": None}
    made = settings_of(["name=x"], **{name: (f"accuracy.{name}", value) for name, value in given.items()})
    told = ["name=x", "accuracy.bos=false", "accuracy.tokens=5", 'accuracy.text="a b"']
    assert [each.text for each in made] == told


def test_a_bos_token_that_the_tokenizer_does_not_have_is_said(folder: Path) -> None:
    few = [*without(options(folder), "tokens", "chips"), "--tokens=8", "--chips=1", "--json"]
    said = "note: --bos changes nothing: the tokenizer of this model adds no token before a text\n"
    assert pimsim("accuracy", "pim-llm", *few, "--bos").err == said
    assert pimsim("accuracy", "pim-llm", *few).err == ""


def test_invalid_arguments_are_refused(folder: Path, tmp_path: Path) -> None:
    given = options(folder)
    assert_refused(pimsim("accuracy", "pim-llm", "--model", tmp_path / "nowhere"), 4)
    assert_refused(pimsim("accuracy", "pim-llm", *without(given, "text"), "--text", tmp_path / "none.txt"), 4)
    assert_refused(pimsim("accuracy", "pim-llm", *without(given, "chips"), "--chips=0"), 3)
    assert_refused(pimsim("accuracy", "pim-llm", *without(given, "tokens"), "--tokens=1"), 3)
    assert_refused(pimsim("accuracy", "pim-llm", *given, "--seed=-1"), 4)
    assert_refused(pimsim("accuracy", "pim-llm", *given, "--vary=adc-bits"), 2)
    assert_refused(pimsim("accuracy", "pim-llm", *given, "--vary=adc-bitz=4"), 3)
    assert_refused(pimsim("accuracy", "pim-llm", *given, "--vary=adc-bits=99"), 3)
    assert_refused(pimsim("accuracy", "pim-llm", *given, "--out", tmp_path / "no" / "a.h5"), 7)


def test_an_interrupt_writes_what_is_finished(
    folder: Path, study: AccuracyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = AccuracyStudy(study.points[:2])

    def interrupted(*_: object, **__: object) -> AccuracyStudy:
        raise AccuracyInterrupted(finished)

    monkeypatch.setattr("pimsim.studies.accuracy.parameter_study.vary_accuracy", interrupted)
    ended = pimsim("accuracy", "pim-llm", *options(folder), "--out", tmp_path / "a.h5")
    assert ended.code == 130
    assert ended.err == "pimsim: interrupted; 2 finished points kept\n"
    assert read_accuracy(tmp_path / "a.h5") == finished


def test_damaged_files_are_refused(study: AccuracyStudy, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_accuracy(study, path)
    data = path.read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(ResultFileError):
        read_accuracy(tmp_path / "cut.h5")
    assert_refused(pimsim("run", path), 8)


def test_metrics_of_a_sweep(folder: Path, tmp_path: Path) -> None:
    config = load_config("pim-llm", [*settings(folder), *NO_WIRES, f"workload.model={folder}"])
    result, study = simulate(config), evaluate_accuracy(config, threads=1)
    assert METRICS["perplexity"].of(result) == near(study.perplexity.mean, rel=1e-12)
    per_character = study.per_character(study.nll).mean
    assert METRICS["perplexity_per_character"].of(result) == near(per_character, rel=1e-12)
    assert METRICS["next_token_agreement"].of(result) == near(study.agreement.mean, rel=1e-12)
    assert METRICS["perplexity_low"].of(result) == near(study.perplexity.low, rel=1e-12)
    for end, value in zip(("", "_low", "_high"), asdict(study.perplexity_ratio).values(), strict=False):
        assert METRICS[f"perplexity_ratio{end}"].of(result) == near(value, rel=1e-12)
    assert METRICS["next_token_agreement_high"].of(result) == near(study.agreement.high, rel=1e-12)
    none = simulate(load_config("tpu-llm", ["machine.crossbar=null", "machine.mesh=null", f"workload.model={folder}"]))
    assert METRICS["perplexity"].of(none) is None


def test_a_point_of_another_model_has_no_perplexity(folder: Path) -> None:
    """A sweep over models shows the perplexity beside the evaluated network alone, under its name and shape."""
    names = ("perplexity", "perplexity_per_character", "next_token_agreement")
    other = tiny_model(folder.parent / "another")  # of the same shape, under another name
    for changes in (["workload.model=gpt2-small"], [f"workload.model={other}"], ["workload.d_ff=64"]):
        config = load_config("pim-llm", [*settings(folder), *NO_WIRES, f"workload.model={folder}", *changes])
        assert [METRICS[name].of(simulate(config)) for name in names] == [None, None, None]
    trace = ["workload.model=null", "workload.trace=opt-6.7b-decode-1024"]
    assert METRICS["perplexity"].of(simulate(load_config("pim-llm", [*settings(folder), *trace]))) is None
    missing = load_config("pim-llm", ["workload.model=gpt2-small", "accuracy.model=/nowhere"])
    with pytest.raises(WorkloadInputError, match=r"accuracy\.model: .*No such file"):
        METRICS["perplexity"].of(simulate(missing))


def test_a_sweep_of_perplexity_and_efficiency(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "swept")
    given = {key: value for key, _, value in (each.partition("=") for each in (*settings(folder, chips=1), *NO_WIRES))}
    lines = ["name: acc", "base: pim-llm", "set:", *(f"  {key}: {value}" for key, value in given.items())]
    lines += [f"  workload.model: {folder}", "axes:", f"  {PAIR}.adc.bits: [4, 8]"]
    lines += ["metrics: [perplexity, next_token_agreement, gops_per_w]"]
    (tmp_path / "acc.yaml").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "acc.h5"
    assert pimsim("sweep", tmp_path / "acc.yaml", "--out", out, "--workers=1").ok
    swept = read_sweep(out).to_dataframe()
    assert list(swept["status"]) == ["ok", "ok"]
    intervals = swept[["perplexity_low", "perplexity_high", "next_token_agreement_low", "next_token_agreement_high"]]
    assert intervals.isna().all(axis=None)  # of one chip
    alone = evaluate_accuracy(
        load_config("pim-llm", [*settings(folder, chips=1), *NO_WIRES, f"{PAIR}.adc.bits=4"]), threads=1
    )
    assert swept["perplexity"][0] == near(alone.perplexity.mean, rel=1e-12)
    assert swept["gops_per_w"][0] > swept["gops_per_w"][1]
    sweep = load_sweep(tmp_path / "acc.yaml")
    before = Evaluator(sweep.space).key(sweep[0])
    (folder / "text.txt").write_text("another text to be read by the model, longer than a window", encoding="utf-8")
    _file_digest.cache_clear()
    assert Evaluator(sweep.space).key(sweep[0]) != before


# --- printed lines ----------------------------------------------------------------------------------------------------


def with_long_tokens(study: AccuracyStudy) -> AccuracyStudy:
    """The same, of tokens of three characters: else figures per token and per character are the same."""
    points = []
    for point in study.points:
        windows = [replace(each, characters=3 * each.characters) for each in point.result.windows]
        points.append(replace(point, result=replace(point.result, windows=tuple(windows))))
    return AccuracyStudy(tuple(points))


def four(value: float) -> str:
    return f"{value:,.4g}" if value < 1e6 else f"{value:.3e}"


def test_each_printed_line_has_its_figure(study: AccuracyStudy) -> None:
    study = with_long_tokens(study)
    text = io.StringIO()
    print_accuracy(study, text)
    shown, base = text.getvalue(), study.base
    assert base is not None
    rows = rows_below(shown, "perplexity ")
    for row, (name, perplexity, nats, over) in zip(
        rows,
        (
            ("float", base.float_perplexity, base.float_nll, "windows of text"),
            ("exact integers", base.exact_perplexity, base.exact_nll, "windows of text"),
            ("on the analog arrays", base.perplexity, base.nll, "chips"),
        ),
        strict=True,
    ):
        assert perplexity.low is not None
        assert perplexity.high is not None
        per_character = math.exp(nats.mean * base.tokens / base.characters)
        assert row == [
            name, four(perplexity.mean), f"{four(perplexity.low)} to {four(perplexity.high)} over {over}",
            four(per_character), f"{nats.mean:.4f}",
        ]  # fmt: skip
    lines = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()]
    by_label = {line[0]: line[1:] for line in lines if len(line) > 1}
    machine = base.machine
    assert by_label["increase by the arrays"][0] == f"{base.increase.mean:+.4f} nats per token"
    assert by_label["cost in perplexity"][0] == cost_text(base.perplexity_ratio)
    assert [verdict(base.perplexity_ratio)] in [[line.strip()] for line in shown.splitlines()]
    assert by_label["next token"][0] == f"{base.agreement.mean:.1%} agreement"
    assert by_label["divergence"][0] == f"{base.kl.mean:.4g} nats per token"
    assert by_label["logits"][0] == f"{base.logit_snr_db.mean:.2f} dB"
    assert by_label["saturated"][0] == f"{base.saturated:.3%}"
    assert by_label["speed"][0] == f"{machine.tokens_per_s:,.4g} tokens/s"
    assert by_label["energy"] == [
        f"{machine.tokens_per_j:,.4g} tokens/J", f"{format_quantity(machine.energy_j, ENERGY)} per run",
    ]  # fmt: skip
    assert by_label["efficiency"] == [f"{machine.gops_per_w:,.4g} GOPS/W", f"{machine.gops:,.4g} GOPS"]
    assert by_label["programming"][0] == format_quantity(machine.weight_load_s, TIME)
    roles = list(dict.fromkeys(site.role for site in base.sites))
    snr = {(site.layer, site.role): site.snr_db for site in base.sites}
    assert rows_below(shown, "SNR (dB)")[: len(base.layers)] == [
        [
            f"layer {each.layer}",
            *(f"{snr[each.layer, role]:.1f}" for role in roles if (each.layer, role) in snr),
            f"{each.snr_db:.1f}",
        ]
        for each in base.layers
    ]
    values = rows_below(shown, "value ")
    for row, point in zip(values, study.of("adc-bits"), strict=True):
        each = point.result
        low, high = each.perplexity.low, each.perplexity.high
        assert low is not None
        assert high is not None
        assert row == [
            point.value, four(each.perplexity.mean), f"{four(low)} to {four(high)} over chips",
            four(each.exact_perplexity.mean), cost_text(each.perplexity_ratio), f"{each.agreement.mean:.1%}",
            f"{each.logit_snr_db.mean:.2f} dB", f"{each.saturated:.3%}", f"{each.machine.tokens_per_s:,.4g}",
            f"{each.machine.tokens_per_j:,.4g}", f"{each.machine.gops_per_w:,.4g}",
        ]  # fmt: skip


TIME, ENERGY = dimension_of_key("x_s"), dimension_of_key("x_j")


def test_layer_by_layer_prints_the_same_and_continues(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("accuracy", "pim-llm", *options(folder), "--json")
    with monkeypatch.context() as patched:
        patched.setattr("pimsim.studies.accuracy.streaming.StreamedEvaluation._head", _interrupted)
        stopped = pimsim(*words, "--stream", tmp_path)
    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err.splitlines()[-1] == (
        f"pimsim: interrupted; 2 of 2 finished layers kept in {tmp_path}: the same command continues"
    )
    continued = pimsim(*words, "--stream", tmp_path)
    assert continued.err == "pimsim: 2 of 2 layers were finished before\n"
    assert continued.out == pimsim(*words).ok
    other = pimsim(*words, "--stream", tmp_path, "--seed", "1")
    assert_refused(other, 4)
    assert "seed is 0 there and 1 here" in other.err
    refused = pimsim(*words, "--stream", tmp_path / "new", "--vary", "adc-bits=4,8")
    assert refused.code == 2
    assert not (tmp_path / "new").exists()


def _interrupted(*given: object) -> None:
    raise KeyboardInterrupt
