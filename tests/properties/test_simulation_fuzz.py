"""Further than `test_config_fuzz`: a mutated config that loads also simulates and can be shown, or is refused.

Numbers stay within a factor of what ships, so that most configs load and reach the components and the engine.
"""

from __future__ import annotations

import io
import json
import math
import random
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import PimsimError
from pimsim.config.loading import dump_config, load_config_text
from pimsim.config.schema import MATRIX_ROLES
from pimsim.engine import execute
from pimsim.present.formats import to_json
from pimsim.present.text.run_report import print_run
from pimsim.results.run_result import RunResult
from tests.support.counts import scaled
from tests.support.documents import differences

COUNT = scaled(60, 2000)

MACHINES = ("pim-llm", "pim-llm-fitted-links", "tpu-llm", "defaults")
MODELS = ("gpt2-small", "opt-125m", "qwen2.5-0.5b")
CHOICES = {
    "dataflow": ("os", "ws", "is"),
    "placement": ("rows", "snake", "shells", "diagonals"),
    "last_output": ("port", "stays"),
    "routes": ("chain", "trace"),
    "tile_outputs": ("concatenated", "merged"),
    "softmax": ("consmax", "exact"),
    "projections": ("crossbar", "systolic"),
    "provisioning": ("whole_model", "per_layer"),
    "leakage_gating": ("ungated", "idle_gated", "not_charged"),
    "embedding": (True, False),
    "lm_head": (True, False),
    "gated": (True, False, None),
    "d_ff": (1, 17, 3000, None),
    "context_length": (1, 2, 31, 32, 33, 1000, 65_536, 1 << 20),
    "operations_per_mac": (1, 2),
    "each": (1, 2),
    "cell_bits": (1, 2, 4),
    "weights": ("binary", "ternary", "int2", "int4", "int8"),
    "search": ("none", "balanced"),
    "budget_tiles": (None, 1, 1000, 1_000_000),
}
OF_ROLES = {"matrix_precision": (None, "binary", "ternary", "int4", "int8", "systolic"), "replicas": (None, 1, 2, 3)}
"""Choices for each matrix by section, where a key is a role: `lm_head` is also a switch of the workload."""
KEPT = {"schema_version"}
UNUSED = {"accuracy"}
"""Sections that a run does not look at: to change them would only have the config refused."""


def mutated(name: str, rng: random.Random) -> dict[str, Any]:
    """A shipped config with a few numbers scaled or set to an end of their range, and a few other choices."""
    tree = load_config(name).model_dump(mode="json")
    tree["workload"] |= {"model": rng.choice(MODELS), "context_length": rng.randint(1, 2048)}
    places = list(numbers_and_choices(tree))
    for tree_at, key, section in rng.sample(places, rng.randint(1, 8)):
        tree_at[key] = other_value(key, tree_at[key], rng, section)
    groups = tree["mapping"]["placement_groups"]
    if rng.random() < 0.2:
        roles = [role for group in groups for role in group]
        rng.shuffle(roles)
        cut = rng.randint(1, len(roles) - 1)
        tree["mapping"]["placement_groups"] = [roles[:cut], roles[cut:]]
    return tree


def numbers_and_choices(tree: dict[str, Any], section: str = "") -> Any:
    """The places that can be changed: the mapping, its key, and the name of the section if its keys are roles."""
    for key, value in tree.items():
        if isinstance(value, dict) and key not in UNUSED:
            yield from numbers_and_choices(value, key)
        elif section in OF_ROLES and key in MATRIX_ROLES:
            yield tree, key, section
        elif key in CHOICES or (type(value) in (int, float) and key not in KEPT):
            yield tree, key, ""


def other_value(key: str, value: Any, rng: random.Random, section: str = "") -> Any:
    choices = OF_ROLES.get(section) or CHOICES.get(key)
    if choices is not None:
        return rng.choice(choices)
    scaled_value = value * 2 ** rng.uniform(-4, 4)
    if type(value) is int:
        return rng.choice([1, 2, 3, max(1, round(scaled_value)), max(1, round(scaled_value))])
    return 0.0 if rng.random() < 0.1 else scaled_value


def check(result: RunResult) -> None:
    """What holds of every run."""
    assert result.latency_ps >= 0
    assert sum(result.parts_ps.values()) == result.latency_ps
    assert sum(op.repeat * op.latency_ps for op in result.ops) == result.latency_ps
    for op in result.ops:
        assert sum(op.parts_ps.values()) == op.latency_ps
        assert all(count >= 0 for count in op.counts.values())
    assert all(each >= 0 and math.isfinite(each) for each in result.energies_j.values())
    assert 0 <= result.tiles.tiles_used <= result.tiles.tiles_available
    assert result.tiles.pairs_used <= result.tiles.pairs_available
    for component in result.components:
        assert 0 <= component.utilisation(result.latency_ps) <= 1
        assert all(area >= 0 for area in component.area_m2.values())
    json.loads(to_json(result.to_dict()))
    print_run(result, io.StringIO())


@pytest.mark.timeout(120 + 2 * COUNT)
@pytest.mark.parametrize("part", range(4))
def test_a_mutated_config_simulates_or_is_refused(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The bound as shipped lets a run take twenty seconds; what is refused here has been mapped all the same.
    monkeypatch.setattr(execute, "MAX_EVENTS", 300_000)
    simulated = 0
    for index in range(part, COUNT, 4):
        rng = random.Random(f"simulate {index}")
        tree = mutated(rng.choice(MACHINES), rng)
        try:
            config = load_config(tree)
            # All of it is written out, so all of it must be held; and a dump must lead to the same config.
            assert list(differences(tree, config.model_dump(mode="json"))) == [], index
            assert load_config_text(dump_config(config)) == config, index
            result = simulate(config)
        except PimsimError as error:
            text = str(error)
            assert text, index
            assert text.replace("\n", "").isprintable(), index
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"config {index}: {type(error).__name__}: {error}") from error
        else:
            simulated += 1
            check(result)
    # Were none simulated, the mutations would miss what they are for.
    assert simulated > COUNT / 4 / 3
