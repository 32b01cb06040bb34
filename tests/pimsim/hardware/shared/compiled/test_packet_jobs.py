"""The cache of the compiled packet loop."""

from __future__ import annotations

from numba.core.registry import cpu_target

from pimsim.hardware.shared.compiled import packet_jobs


def test_a_change_of_any_module_is_compiled_again() -> None:
    """Numba itself would find the code of other columns under the same key, which writes to wrong places in memory."""
    codegen = cpu_target.target_context.codegen()
    first, again, other = (packet_jobs._entry(sources)._cache._index_key((), codegen) for sources in (1, 1, 2))
    assert first == again != other
    assert packet_jobs.run_jobs.py_func.__closure__[0].cell_contents == packet_jobs._sources()
