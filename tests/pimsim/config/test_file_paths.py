"""Relative paths start in the folder of the file that names them; `~` is the home folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pimsim import load_config, load_sweep
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.config.file_paths import relative_value
from pimsim.simulation import model_spec
from pimsim.studies.accuracy.evaluation_inputs import read_inputs, weight_kind
from tests.support.command_line import pimsim
from tests.workloads.published_totals import COUNTED

GPT_J = COUNTED["EleutherAI/gpt-j-6b"][1]

CONFIG = """
extends: pim-llm
workload: {model: models/tiny/config.json}
accuracy: {model: models/tiny, text: text.txt, calibration: gone.txt}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside the working directory, with the files that a config names."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "mine/models/tiny").mkdir(parents=True)
    for name in ("models/tiny/config.json", "text.txt", "gpt2-small"):
        (tmp_path / "mine" / name).write_text("{}", encoding="utf-8")
    (tmp_path / "mine/mine.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path / "mine"


def test_paths_start_in_the_folder_of_the_file(folder: Path) -> None:
    config = load_config(folder / "mine.yaml")
    assert config.workload.model == str(folder / "models/tiny/config.json")
    assert config.accuracy.model == str(folder / "models/tiny")
    assert config.accuracy.text == str(folder / "text.txt")
    assert config.accuracy.calibration == "gone.txt"  # not there: relative to the working directory, as --set is
    # So does a config that extends it, and an override starts in the working directory.
    (folder.parent / "above.yaml").write_text("extends: mine/mine.yaml", encoding="utf-8")
    assert load_config(folder.parent / "above.yaml").accuracy == config.accuracy
    assert load_config(folder / "mine.yaml", ["accuracy.text=text.txt"]).accuracy.text == "text.txt"


def test_names_are_no_paths(folder: Path) -> None:
    (folder / "named.yaml").write_text("extends: pim-llm\nworkload: {model: gpt2-small}", encoding="utf-8")
    assert load_config(folder / "named.yaml").workload.model == "gpt2-small"  # there is a file of this name
    assert relative_value("workload.batch", "text.txt", folder) == "text.txt"


def test_the_bare_name_of_a_folder_is_that_of_a_model_if_none_ships(folder: Path) -> None:
    """`model: gj` beside the folder gj: users of other tools write it so."""
    for name in ("gj", "gpt2-xl"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(GPT_J), encoding="utf-8")
        (folder / f"{name}.yaml").write_text(f"extends: pim-llm\nworkload: {{model: {name}}}", encoding="utf-8")
    found, shipped = (load_config(folder / f"{name}.yaml") for name in ("gj", "gpt2-xl"))
    assert found.workload.model == str(folder / "gj")
    assert model_spec(found).parallel
    assert shipped.workload.model == "gpt2-xl"
    assert not model_spec(shipped).parallel
    with pytest.raises(WorkloadInputError, match="unknown model 'gj'"):
        model_spec(load_config("pim-llm", ["workload.model=gj"]))  # not in the working directory
    told = pimsim("config", "show", folder / "gpt2-xl.yaml", "workload.model").err
    assert (
        told == f"note: workload.model=gpt2-xl is the shipped model; for the folder {folder}/gpt2-xl write ./gpt2-xl\n"
    )
    sweep = "name: s\nbase: pim-llm\naxes: {workload.model: [gj, gpt2-xl]}"
    (folder / "sweep.yaml").write_text(sweep, encoding="utf-8")
    assert load_sweep(folder / "sweep.yaml").space.axes[0].choices == ((str(folder / "gj"),), ("gpt2-xl",))


def test_the_bare_name_of_a_model_in_a_file_is_no_folder_of_the_working_directory(folder: Path) -> None:
    """The same file would give the figures of another model in each folder in which a command is run."""
    (folder / "gj.yaml").write_text("extends: pim-llm\nworkload: {model: gj}\naccuracy: {model: gj}", encoding="utf-8")
    (folder / "sweep.yaml").write_text("name: s\nbase: pim-llm\nmodels: [gj]", encoding="utf-8")
    assert load_config(folder / "gj.yaml").workload.model == "gj"  # an unknown name, wherever it is looked for
    Path("gj").mkdir()
    Path("gj/config.json").write_text(json.dumps(GPT_J), encoding="utf-8")
    config = load_config(folder / "gj.yaml")
    for refused in (lambda: model_spec(config), lambda: read_inputs(config.accuracy, weight_kind(config))):
        with pytest.raises(
            WorkloadInputError, match=r"/mine/gj: .*; the folder gj of the working directory .* write .*/gj"
        ):
            refused()
    with pytest.raises(ConfigError, match=r"/mine/gj: .* the working directory is not meant"):
        load_sweep(folder / "sweep.yaml")
    assert model_spec(load_config(folder / "gj.yaml", ["workload.model=gj"])).parallel  # an option means this folder


def test_the_settings_of_a_sweep_start_in_its_folder(folder: Path) -> None:
    sweep = "name: s\nbase: pim-llm\nset: {accuracy.text: text.txt}\naxes: {machine.systolic.rows: [8, 16]}"
    (folder / "sweep.yaml").write_text(sweep, encoding="utf-8")
    tree = load_sweep(folder / "sweep.yaml").space.base
    assert tree["accuracy"]["text"] == str(folder / "text.txt")  # type: ignore[index]


def test_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    config = load_config("pim-llm", {"accuracy.text": "~/text.txt", "workload.model": "~/models/tiny/config.json"})
    assert config.accuracy.text == str(folder / "text.txt")
    assert config.workload.model == str(folder / "models/tiny/config.json")
