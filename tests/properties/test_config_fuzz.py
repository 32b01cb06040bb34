"""Whatever happens to a config, it loads or it is refused with a PimsimError.

What loads holds what the document says, and its dump gives the same config again.
"""

import copy
import os
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from pimsim.base.errors import PimsimError
from pimsim.base.shipped_files import find_config, list_configs
from pimsim.config.loading import dump_config, load_config, load_config_text
from pimsim.config.schema import Config
from pimsim.config.yaml_tree import parse_yaml
from tests.support.documents import differences, leaves

COUNT = 10_000 if os.environ.get("PIMSIM_TEST_PROFILE") == "deep" else 200

SCALARS: list[Any] = [
    None, True, False, 0, -1, 1, 10**9, 10**30, -(10**400), 0.5, -1.5, 1e308, 5e-324, float("nan"), float("inf"), "",
    "off", "20 ns", "1e400 Hz", "20 Gb/s", "-3 pJ", "0 s", "1e-300 s", "100", "\x00", "\x1b[2J", "ü", "x" * 5000, "&a",
    [], {}, [None], {"kind": 1}, [[[]]], {"": ""}, b"bytes", {1: 2}, {None: None},
]  # fmt: skip
SNIPPETS = [
    "\x00", "\xff\xfe", "\ud800", "\t", "\r", "---\n", "...\n", "%YAML 1.1\n", "!!python/object:os.system ", "&a ",
    "*a", "<<: *a\n", "? ", ": ", "- ", "#", "'", '"', "|\n", ">-\n", "[" * 500, "{" * 500, "- " * 500, "!!binary ",
    "2024-01-01", "9" * 5000, "extends: defaults\n", "extends: [defaults, defaults]\n", "schema_version: 1\n", "null",
]  # fmt: skip


def mutated_text(text: str, rng: random.Random) -> bytes:
    """The raw text with lines deleted, doubled or swapped, junk put in, values replaced, or its end cut off."""
    for _ in range(rng.randint(1, 4)):
        lines = text.splitlines(keepends=True) or [""]
        at = rng.randrange(len(lines))
        place = rng.randrange(len(text) + 1)
        match rng.randrange(8):
            case 0:
                del lines[at]
                text = "".join(lines)
            case 1:
                lines.insert(rng.randrange(len(lines)), lines[at])
                text = "".join(lines)
            case 2:
                text = text[:place] + rng.choice(SNIPPETS) + text[place:]
            case 3:
                text = text[:place]
            case 4:
                key, colon, _ = lines[at].partition(":")
                lines[at] = f"{key}{colon} {rng.choice([*SNIPPETS, *map(str, SCALARS[:26])])}\n"
                text = "".join(lines)
            case 5:
                text = text[:place] + "".join(chr(rng.randrange(256)) for _ in range(8)) + text[place + 8 :]
            case 6:
                lines[at] = " " * rng.randint(1, 9) + lines[at]
                text = "".join(lines)
            case 7:
                lines[at] = lines[at].lstrip()
                text = "".join(lines)
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if data and rng.random() < 0.2:
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def mutated_tree(tree: Any, rng: random.Random) -> Any:
    """The parsed tree with keys deleted, renamed or moved, and values replaced by others of any type."""
    for _ in range(rng.randint(1, 5)):
        section = tree
        while isinstance(section, dict) and (below := [value for value in section.values() if isinstance(value, dict)]):
            if rng.random() < 0.25:
                break
            section = rng.choice(below)
        if not section:
            continue
        key = rng.choice(list(section))
        match rng.randrange(5):
            case 0:
                del section[key]
            case 1:
                section[key] = copy.deepcopy(rng.choice(SCALARS))
            case 2:
                section[str(key)[:-1] + rng.choice(["", "x", "_s"])] = section.pop(key)
            case 3:
                section[key] = rng.choice([{"deep": section[key]}, [section[key]], {key: {key: section[key]}}])
            case 4:
                section[rng.choice(["extends", "schema_version", "rows", "zzz", "é\x07"])] = copy.deepcopy(
                    rng.choice(SCALARS)
                )
    return tree


def random_override(tree: Any, rng: random.Random) -> str:
    """An override of a key that exists, most of the time, by a value that may fit."""
    steps = []
    while isinstance(tree, dict | list) and tree and rng.random() < 0.95:
        step = rng.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        steps.append(str(step))
        tree = tree[step]
    if rng.random() < 0.2:
        steps.insert(rng.randrange(len(steps) + 1), rng.choice(["", "0", "-1", "rows", "x" * 5000, "\udcff"]))
    value = rng.choice([str(tree), *SNIPPETS, *map(str, SCALARS[:26])])
    return f"{'.'.join(steps)}={value}" if rng.random() < 0.95 else value


def load_or_refuse(source: Any, what: str, overrides: tuple[str, ...] = ()) -> Config | None:
    """The config, if it is accepted; then it survives its dump."""
    try:
        config = load_config(source, overrides)
    except PimsimError as error:
        text = str(error)
        assert text.strip(), what
        assert len(text.splitlines()) <= 25, what
        assert text.replace("\n", "").isprintable(), what
        return None
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}") from error
    dumped = dump_config(config)
    assert load_config_text(dumped) == config, what
    written, held = (leaves(each) for each in (parse_yaml(dumped, what).tree, config.model_dump(mode="json")))
    assert written == held, f"{what}: a dump leaves nothing to the defaults"
    return config


def assert_holds(config: Config, written: Any, what: str) -> None:
    """Every value of the document is in the config: nothing was dropped, rounded or put elsewhere."""
    assert list(differences(written, config.model_dump(mode="json"))) == [], what


@pytest.mark.timeout(120 + COUNT)
@pytest.mark.parametrize("kind", ["text", "tree", "override"])
def test_a_mutated_config_loads_or_is_refused(kind: str, tmp_path: Path) -> None:
    names = list_configs()
    originals = {name: find_config(name).read_text(encoding="utf-8") for name in names}
    loaded = 0
    for index in range(COUNT):
        rng = random.Random(f"{kind} {index}")
        name = rng.choice(names)
        what = f"{kind} {index} of {name}"
        if kind == "text":
            path = tmp_path / "mutated.yaml"
            path.write_bytes(mutated_text(originals[name], rng))
            config = load_or_refuse(path, what)
            written = parse_yaml(path.read_text(encoding="utf-8-sig"), what).tree if config else None
        elif kind == "tree":
            tree = mutated_tree(yaml.safe_load(originals[name]), rng)
            written = copy.deepcopy(tree)
            config = load_or_refuse(tree, what)
            assert repr(tree) == repr(written), f"{what}: the caller's mapping was changed"
        else:
            override = random_override(yaml.safe_load(originals[name]), rng)
            config = load_or_refuse(name, what, (override,))
            written = nested(override) if config else None
        if config:
            loaded += 1
            if isinstance(written, dict):
                if written.get("schema_version") == 1:
                    written.pop("schema_version")  # migrated to the present one
                written.pop("ranges", None)  # of `--ranges`, which reads it from the file: not part of the config
            assert_holds(config, written, what)
            if kind == "override":
                assert_nothing_else_changed(load_config(name), config, override, what)
    # Were every one refused, or none, the mutations would miss what they are for.
    assert 0 < loaded < COUNT


def nested(override: str) -> Any:
    """The document that an override stands for."""
    key, _, text = override.partition("=")
    value = parse_yaml(text, "override").tree if text.strip() else None
    for step in reversed(key.strip().split(".")):
        value = {step: value}
    return value


def assert_nothing_else_changed(before: Config, after: Config, override: str, what: str) -> None:
    """What differs from the config below lies at the key of the override, or in a section that was not there."""
    one, other = (leaves(each.model_dump(mode="json")) for each in (before, after))
    place = override.partition("=")[0].strip()
    changed = {key for key in one.keys() | other.keys() if one.get(key, "none") != other.get(key, "none")}
    absent = {key for key, value in one.items() if value is None and place.startswith(f"{key}.")}
    for key in changed:
        at_the_place = f"{key}.".startswith(f"{place}.") or f"{place}.".startswith(f"{key}.")
        assert at_the_place or any(key.startswith(f"{section}.") for section in absent), f"{what}: {key}"
