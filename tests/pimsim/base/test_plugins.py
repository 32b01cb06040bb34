"""Plugin files: what they register, and one sentence for each that cannot be loaded."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pimsim
from pimsim.base.errors import PluginError
from pimsim.base.plugins import Plugin, install_plugin, load_plugin, loaded_plugins, plugin_records
from pimsim.mapping.op_mappings import OP_KINDS
from tests.support.outside_kinds import restored_kinds
from tests.support.registries import restored_registries
from workloads.op_kinds import KINDS


@pytest.fixture(autouse=True)
def _loaded_for_one_test_only() -> Iterator[None]:
    with restored_registries():
        yield


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


REGISTERS = "from pimsim import register_policy\nregister_policy('own', dict)\n"


def test_a_plugin_runs_once_and_is_recorded_with_its_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "own.py", f"{REGISTERS}print('ran')\n")
    first = pimsim.load_plugin(path)
    assert load_plugin(str(path)) is first
    assert loaded_plugins() == (first,)
    assert capsys.readouterr() == ("", "ran\n")  # standard output may be that of --json
    assert [tuple(each) for each in plugin_records()] == [("own.py", hashlib.sha256(path.read_bytes()).hexdigest())]
    assert pimsim.load_config("pim-llm", {"serving.policy": "own"}).serving.policy == "own"
    path.write_text(f"{REGISTERS}# changed\n", encoding="utf-8")
    with pytest.raises(
        PluginError, match=r"another plugin of this name is loaded, SHA-256 .* rename one, or start a new"
    ):
        load_plugin(path)


def test_a_plugin_may_have_dataclasses_and_its_own_name(tmp_path: Path) -> None:
    lines = ("from dataclasses import dataclass", "@dataclass(slots=True)", "class A:", "    b: 'int' = 1")
    load_plugin(written(tmp_path / "own.py", "\n".join((*lines, "assert __file__.endswith('own.py')"))))


def test_an_op_kind_of_the_documentation_is_loaded_from_a_file(tmp_path: Path) -> None:
    """The fields of a kind are annotated with rules, which must stay objects and not become text."""
    page = (Path(pimsim.__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
    [block] = [each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "register_op(" in each]
    text, call, _ = block.partition("register_op(TopK, top_k)\n")
    with restored_kinds():
        with pytest.raises(PluginError):
            load_plugin(written(tmp_path / "own.py", f"{text}{call}1 / 0\n"))
        assert "top_k" not in KINDS
        load_plugin(written(tmp_path / "own.py", text + call))  # as after the fault is corrected
        assert KINDS["top_k"].__name__ == "TopK"
        assert OP_KINDS.origin("top_k") == "own.py"
    assert "top_k" not in KINDS


def test_a_worker_loads_it_from_its_content(tmp_path: Path) -> None:
    plugin = load_plugin(written(tmp_path / "own.py", REGISTERS))
    assert install_plugin(plugin) is plugin
    other = b"raise ValueError('no')\n"
    with pytest.raises(PluginError, match=r"^other\.py:1: the plugin raises ValueError: no; PIMSIM_DEBUG=1"):
        install_plugin(Plugin("other.py", hashlib.sha256(other).hexdigest(), other))


READS = "from pathlib import Path\nFOUND = Path(__file__).with_name('data.txt').read_text()\n"


def test_a_worker_reads_the_file_beside_the_plugin_and_never_one_of_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        written(folder / "data.txt", folder.name)
    written(own / "own.py", READS)
    monkeypatch.chdir(own)
    with restored_registries():
        plugin = load_plugin("own.py")
    monkeypatch.chdir(other)
    with restored_registries():  # a process on the same machine
        install_plugin(plugin)
        assert sys.modules[f"pimsim_plugin_{plugin.sha256[:16]}"].FOUND == "own"
    written(own / "own.py", f"{READS}# of another machine\n")
    with pytest.raises(PluginError, match=r"^own\.py:2: the plugin raises FileNotFoundError: .*not on this machine"):
        install_plugin(plugin)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (\n", "own.py:1: a plugin must be Python: '(' was never closed"),
        (b"\x00\x01", "own.py: a plugin must be Python: source code string cannot contain null bytes"),
        ("extends: pim-llm\nname: [a, b\n", "own.py:2: a plugin must be Python: '[' was never closed"),
        ("\n\ndef f():\n    raise KeyError('a')\nf()\n", "own.py:4: the plugin raises KeyError: 'a'"),
        ("raise SystemExit(0)\n", "own.py:1: the plugin raises SystemExit: 0"),
        (
            "import no_such_module\n",
            "own.py:1: the plugin raises ModuleNotFoundError: No module named 'no_such_module'",
        ),
        (
            "from pimsim import register_topology\nregister_topology('mesh', dict)\n",
            "own.py:2: the plugin raises ValueError: 'mesh' is a topology of pimsim itself",
        ),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_plugin(written(tmp_path / "own.py", text))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert loaded_plugins() == ()


def test_a_plugin_that_fails_leaves_no_name(tmp_path: Path) -> None:
    with pytest.raises(PluginError):
        load_plugin(written(tmp_path / "own.py", f"{REGISTERS}raise KeyError\n"))
    with pytest.raises(pimsim.PimsimError, match="'own' is not a registered serving policy"):
        pimsim.load_config("pim-llm", {"serving.policy": "own"})
    load_plugin(written(tmp_path / "own.py", REGISTERS))


def test_a_config_is_no_plugin_though_its_text_is_python(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"own\.yaml: a plugin is a Python file, whose name ends in \.py"):
        load_plugin(written(tmp_path / "own.yaml", "name: str\n"))


@pytest.mark.parametrize("name", ["none.py", "folder.py", "a\0b.py"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(PluginError, match="cannot be read as a plugin: "):
        load_plugin(tmp_path / name)


def test_debugging_shows_the_exception_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIMSIM_DEBUG", "1")
    with pytest.raises(KeyError):
        load_plugin(written(tmp_path / "own.py", "raise KeyError\n"))
