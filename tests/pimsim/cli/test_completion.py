"""Shell completion, through the protocol that Typer's script for zsh uses."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from pimsim.cli.app import app
from pimsim.cli.completion import complete_key_or_ending
from pimsim.config.effective_config import resolved_key


def completed(words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"pimsim {words}")
    monkeypatch.setenv("_PIMSIM_COMPLETE", "complete_zsh")
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit):
        app(prog_name="pimsim")
    return re.findall(r'"([^"]*)"', out.getvalue())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run tpu", ["tpu-llm", "tpu-llm-published"]),
        ("run memory-", []),
        ("config show memory-hbm", ["memory-hbm2", "memory-hbm2-timing"]),
        ("run pim-llm --set machine.mesh.ro", [f"machine.mesh.ro{each}" for each in ("ws=", "utes=")]),
        ("run pim-llm --set machine.cr", ["machine.crossbar."]),
        ("run pim-llm --set schedule=", ["schedule=serial", "schedule=dataflow", "schedule=contended"]),
        ("run pim-llm --set workload.lm_head=t", ["workload.lm_head=true"]),
        ("run pim-llm --schedule d", ["dataflow"]),
        ("run pim-llm --model gpt2-s", ["gpt2-small"]),
        ("run pim-llm --trace opt", ["opt-6.7b-decode-1024"]),
        ("sweep sweep-t", ["sweep-tiles"]),
        ("config explain serving.po", ["serving.policy"]),
        ("config explain rows_at", ["rows_at_once"]),
        ("config explain adc.conv", ["adc.conversion_energy_j"]),
        ("config show pim-llm pair.a", ["pair.adc.", "pair.array."]),
        ("config explain widt", []),  # several keys end in width_bits
        ("run pim-llm --set rows_at", []),  # which takes whole keys only
        ("import device x.csv --base pim-llm-p", ["pim-llm-published"]),
        ("import device x.csv --base memory-", []),
        ("trace make opt-6.7b --config tpu", ["tpu-llm", "tpu-llm-published"]),
        ("serve pim-llm --requests requests-c", ["requests-chat"]),
        ("reproduce fig", ["fig1b", "fig4", "fig5", "fig6", "fig7", "fig8"]),
        ("reproduce claims_", ["claims_by_switch"]),
    ],
)
def test_names_keys_and_values(
    words: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = completed(words, monkeypatch)
    assert [each for each in found if each in expected] == expected
    assert not expected or all(each.startswith(words.split()[-1][:2]) for each in found)
    assert expected or found == []


def test_files_and_folders_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "my").mkdir()
    for name in ("mine.yaml", "mine.txt", "my/other.yaml", "mine.h5"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert completed("run mi", monkeypatch) == ["mine.h5", "mine.yaml"]
    assert completed("run my", monkeypatch) == ["my/"]
    assert completed("run my/", monkeypatch) == ["my/other.yaml"]
    assert completed("optimize m", monkeypatch) == ["mine.yaml", "my/"]


def test_each_completed_ending_is_one_that_is_accepted() -> None:
    offered = complete_key_or_ending("a")
    endings = [each for each in offered if not each.endswith(".")]
    assert len(endings) > 5
    for each in endings:
        assert resolved_key(each).endswith(each)
