"""A library that is not installed ends in one message that names the extra, before any work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import MissingExtraError
from pimsim.base.optional_dependencies import import_optional, require_optional
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim


def test_an_installed_library_is_imported() -> None:
    assert import_optional("json", "none", "this test").__name__ == "json"
    require_optional("json", "none", "this test")


@pytest.mark.parametrize("check", [import_optional, require_optional])
def test_a_missing_library_names_its_extra(check: object) -> None:
    assert callable(check)
    with pytest.raises(MissingExtraError, match=r'a plot needs no_such_library, .*pip install "pimsim\[plots\]"'):
        check("no_such_library", "plots", "a plot")


@pytest.fixture
def core_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither pandas nor matplotlib can be imported."""
    for name in [
        name for name in sys.modules if name.startswith(("pimsim.present.plots", "pimsim.base.pandas_library"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.mark.usefixtures("core_only")
def test_plots_are_refused_before_the_run(tmp_path: Path) -> None:
    outcome = run_pimsim("run", "pim-llm", "--plots", str(tmp_path / "plots"))
    assert_refused(outcome, 11)
    assert '--plots needs matplotlib, which is not installed; pip install "pimsim[plots]"' in outcome.err


@pytest.mark.usefixtures("core_only")
def test_a_data_frame_names_its_extra() -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    with pytest.raises(MissingExtraError, match=r"a data frame needs pandas, .*pimsim\[pandas\]"):
        result.to_dataframe()


@pytest.mark.usefixtures("core_only")
def test_commands_that_need_neither_run(tmp_path: Path) -> None:
    table = tmp_path / "ops.csv"
    assert "tokens/s" in run_pimsim("run", "pim-llm", "--csv", str(table), "--explain").ok
    assert table.exists()
    assert run_pimsim("compare", "pim-llm", "tpu-llm").ok
