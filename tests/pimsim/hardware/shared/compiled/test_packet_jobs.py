"""The cache of the compiled packet loop."""

from __future__ import annotations

from typing import Any

import pytest
from numba import njit
from numba.core.registry import cpu_target

from pimsim.hardware.shared.compiled import packet_jobs


def test_a_change_of_any_module_is_compiled_again() -> None:
    """Numba itself would find the code of other columns under the same key, which writes to wrong places in memory."""
    codegen = cpu_target.target_context.codegen()
    first, again, other = (packet_jobs._entry(sources)._cache._index_key((), codegen) for sources in (1, 1, 2))
    assert first == again != other
    assert packet_jobs.run_jobs.py_func.__closure__[0].cell_contents == packet_jobs._sources()


def test_without_a_folder_for_the_cache_it_is_compiled_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_folder(cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function 'run_jobs': no locator available for file 'packet_jobs.py'")
        return njit(**options)

    monkeypatch.setattr(packet_jobs, "njit", without_folder)
    assert packet_jobs._entry(1).py_func.__name__ == "run_jobs"
