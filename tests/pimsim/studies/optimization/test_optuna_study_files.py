"""Studies that are damaged, or that a full disk keeps from being written."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pimsim.base.errors import OutputError, SweepError
from pimsim.studies.optimization.search_run import optimize
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.running.sweep_run import SweepInterrupted
from tests.support.searches import SEARCH

SHORT = {**SEARCH, "trials": 3}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the study of a finished search."""
    out = tmp_path_factory.mktemp("finished") / "out.h5"
    optimize(load_search(SHORT), out)
    return out.with_name("out.h5.study").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        b"5\n", b"[]\n", b"null\n", b'"text"\n', b"{}\n", b'{"op_code":"4"}\n', b'{"op_code":true}\n', b"nonsense\n",
        b"\xff\n", b"[" * 5000 + b"\n", b'{"op_code":99}\n', b'{"op_code":4}\n', b'{"op_code":5,"trial_id":"x"}\n',
        b'{"op_code":6,"trial_id":99,"state":1,"values":[1]}\n',
    ],
    ids=lambda line: repr(line[:24]),
)  # fmt: skip
def test_a_line_that_optuna_did_not_write_is_damage(wrong: bytes, finished: bytes, tmp_path: Path) -> None:
    out, study = tmp_path / "out.h5", tmp_path / "out.h5.study"
    study.write_bytes(damaged := finished + wrong)
    with pytest.raises(SweepError, match=r"out\.h5\.study: is damaged \(.*\); remove it to start again"):
        optimize(load_search(SHORT), out, resume=True)
    assert study.read_bytes().startswith(damaged)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_an_end_before_the_first_trial_leaves_no_files(error: BaseException, tmp_path: Path) -> None:
    def fail(self: Any, logs: Any) -> None:
        raise error

    with (
        patch("optuna.storages.journal.JournalFileBackend.append_logs", fail),
        pytest.raises((OutputError, SweepInterrupted)),
    ):
        optimize(load_search(SHORT), tmp_path / "out.h5")
    assert list(tmp_path.iterdir()) == []
    assert len(optimize(load_search(SHORT), tmp_path / "out.h5")) > 0
