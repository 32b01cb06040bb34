import os
from pathlib import Path

import pytest

from pimsim.base import shipped_files as resources
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.base.shipped_files import find_config, find_trace, list_configs, list_traces, read_limited


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the shipped data, with another one to work in."""
    for name in ("configs/pim-llm.yaml", "configs/defaults.yaml", "traces/gpt2-1.5b.json", "work/README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    monkeypatch.setattr(resources, "_DATA", tmp_path)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def test_shipped_files_are_found_by_name(shipped: Path) -> None:
    assert list_configs() == ["defaults", "pim-llm"]
    assert list_traces() == ["gpt2-1.5b"]
    for name in ("pim-llm", "pim-llm.yaml", "configs/pim-llm.yaml", Path("configs/pim-llm.yaml")):
        assert find_config(name) == shipped / "configs" / "pim-llm.yaml"
    assert find_trace("gpt2-1.5b") == find_trace("traces/gpt2-1.5b.json") == shipped / "traces" / "gpt2-1.5b.json"


def test_an_existing_file_wins_but_a_folder_does_not(shipped: Path) -> None:
    Path("pim-llm").mkdir()
    assert find_config("pim-llm") == shipped / "configs" / "pim-llm.yaml"
    Path("pim-llm.yaml").write_text("{}")
    assert find_config("pim-llm.yaml") == Path("pim-llm.yaml")
    assert find_config("defaults.yaml", shipped / "configs") == shipped / "configs" / "defaults.yaml"


@pytest.mark.usefixtures("shipped")
def test_what_is_not_found_is_told_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"pim-lm: no such file, and no shipped config .*did you mean pim-llm\?"):
        find_config("pim-lm")
    with pytest.raises(ConfigError, match="shipped configs: defaults, pim-llm"):
        find_config("zebra")
    with pytest.raises(WorkloadInputError, match=r"did you mean gpt2-1\.5b\?"):
        find_trace("gpt2-1.5")
    with pytest.raises(ConfigError, match=r"'': no such file, .*shipped configs: defaults, pim-llm"):
        find_config("")  # not the working directory
    for name in ("../configs/pim-llm.yml", "a\0b", ".."):
        with pytest.raises(ConfigError):
            find_config(name)


def test_many_names_are_counted() -> None:
    """What is not found and is like none of many configs is told in one line."""
    with pytest.raises(ConfigError, match=rf"shipped configs: {len(list_configs())}, which pimsim configs lists$"):
        find_config("none-of-these.h5")


def test_only_small_regular_files_are_read(tmp_path: Path) -> None:
    file, fifo = tmp_path / "file", tmp_path / "fifo"
    file.write_bytes(b"12345")
    os.mkfifo(fifo)
    assert read_limited(file, 5, ConfigError) == b"12345"
    refused = [
        (file, "larger than the limit of 4 bytes"),
        (fifo, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path, "is a directory"),
        (tmp_path / "none", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
        (Path("a\0b"), "not a file name"),
    ]
    for path, message in refused:
        with pytest.raises(ConfigError, match=message):
            read_limited(path, 4, ConfigError)


def test_a_file_that_is_added_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_DATA", tmp_path)
    assert list_configs() == []
    (tmp_path / "configs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "configs" / f"{name}.yaml").write_text("", encoding="utf-8")
        os.utime(tmp_path / "configs", ns=(0, ord(name)))  # as if the two were not written within one tick of its clock
        assert list_configs()[-1] == name
