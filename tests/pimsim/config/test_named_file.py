"""Files that a config or a sweep names: nothing of their text is told unless they are configs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.studies.sweep.space.plan import load_sweep

SECRETS = {
    "text": "hunter2:x:0:0:root\n",
    "key": "hunter2: x\n",
    "key below": "name: x\nhunter2: y\n",
    "value": "token: hunter2\n",
    "list": "- hunter2\n",
    "not YAML": "name: [hunter2\n",
    "tag": "name: !hunter2 x\n",
    "alias": "name: *hunter2\n",
    "twice": "hunter2: 1\nhunter2: 2\n",
    "two documents": "name: x\n---\nhunter2\n",
    "empty": "",
}


def refusal(folder: Path, secret: str, naming: str) -> str:
    (folder / "secret.txt").write_text(secret, encoding="utf-8")
    (folder / "mine.yaml").write_text("extends: secret.txt\n", encoding="utf-8")
    axes = {"workload.batch": [1, 2]}
    named = str(folder / "secret.txt")
    load: Callable[[], object] = {
        "extends": lambda: load_config(folder / "mine.yaml"),
        "mapping": lambda: load_config({"extends": named}),
        "base": lambda: load_sweep({"name": "x", "base": named, "axes": axes}),
        "base mapping": lambda: load_sweep({"name": "x", "base": {"extends": named}, "axes": axes}),
    }[naming]
    with pytest.raises(ConfigError) as caught:
        load()
    return str(caught.value)


@pytest.mark.parametrize("naming", ["extends", "mapping", "base", "base mapping"])
@pytest.mark.parametrize("kind", SECRETS)
def test_the_text_of_a_file_that_is_not_a_config_is_not_shown(kind: str, naming: str, tmp_path: Path) -> None:
    message = refusal(tmp_path, SECRETS[kind], naming)
    assert "secret.txt: is not a config" in message
    assert "hunter" not in message


def test_a_config_that_is_named_is_checked_with_its_lines(tmp_path: Path) -> None:
    message = refusal(tmp_path, "machine:\n  mesh: {rows: many}\n", "extends")
    assert "machine.mesh.rows: 'many'" in message
    assert "(secret.txt:2)" in message
    assert "line 4" in refusal(tmp_path, "name: x\nmachine:\n  mesh: [1\n", "extends")
    (tmp_path / "secret.txt").write_text("hunter2: x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="hunter2: unknown key"):
        load_config(tmp_path / "secret.txt")


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "a\\b", ".hidden", "..", "a\x00b", "a\nb"])
def test_the_name_of_a_sweep_does_not_leave_the_folder(name: str) -> None:
    with pytest.raises(ConfigError, match=r"name: .* must be usable as a file name"):
        load_sweep({"name": name, "base": "pim-llm", "axes": {"workload.batch": [1, 2]}})
