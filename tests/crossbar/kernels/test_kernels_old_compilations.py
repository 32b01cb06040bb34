"""A kept compilation that is older than a source is not used."""

from __future__ import annotations

import os
from pathlib import Path

from crossbar.kernels import _forget_old_compilations


def test_compilations_older_than_any_source_go(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, age in (("a.py", 100), ("b.py", 50)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    for name, age in (("a-older.nbi", 60), ("a-newer.nbi", 40), ("a-older.nbc", 60)):
        (cache / name).touch()
        os.utime(cache / name, (1_000_000 - age, 1_000_000 - age))
    _forget_old_compilations(tmp_path)
    assert sorted(path.name for path in cache.iterdir()) == ["a-newer.nbi", "a-older.nbc"]


def test_a_folder_without_a_cache_is_left_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.touch()
    _forget_old_compilations(tmp_path)
    _forget_old_compilations(tmp_path / "missing")
    assert list(tmp_path.rglob("*")) == [source]
