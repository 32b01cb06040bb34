"""NUMBA_DISABLE_JIT does not keep the kernels from being compiled; a Numba that cannot compile is named."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from crossbar.kernels import _compile_in_any_case


def test_the_variable_is_removed_before_numba_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    _compile_in_any_case()
    assert "NUMBA_DISABLE_JIT" not in os.environ


def test_a_numba_that_was_imported_with_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = SimpleNamespace(config=SimpleNamespace(DISABLE_JIT=1))
    monkeypatch.setitem(sys.modules, "numba", numba)
    with pytest.raises(ImportError, match="unset NUMBA_DISABLE_JIT, or import crossbar before numba"):
        _compile_in_any_case()
