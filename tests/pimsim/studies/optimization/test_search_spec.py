"""Search files: what they may say, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pimsim.base.errors import ConfigError
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.measure.spilled_metrics import SPILLED_METRICS
from tests.support.searches import SEARCH


def test_a_search_is_a_space_with_objectives(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SEARCH), encoding="utf-8")
    search = load_search(path)
    assert search.space.axes == load_search(yaml.safe_load(path.read_text(encoding="utf-8"))).space.axes
    assert search.space.text == path.read_text(encoding="utf-8")
    assert search.objectives == {"tokens_per_s": "higher", "area_m2": "lower"}
    assert (search.trials, search.sampler, search.seed) == (40, "tpe", 1)
    assert {axis.name for axis in search.space.axes} == set(SEARCH["axes"])


def test_objectives_are_measured_and_may_be_turned() -> None:
    turned = [{"metric": "macs", "better": "lower"}, {"metric": "power_w", "better": "higher"}, "gops"]
    search = load_search({**SEARCH, "objectives": turned})
    assert search.objectives == {"macs": "lower", "power_w": "higher", "gops": "higher"}
    assert search.space.metrics == ("tokens_per_s", "area_m2", "macs", "power_w", "gops", *SPILLED_METRICS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objectives": ["tokens_per_sec"]}, "tokens_per_sec.* is not a metric; did you mean tokens_per_s?"),
        ({"objectives": ["macs"]}, "has no better direction; write {metric: macs, better: higher}"),
        ({"objectives": ["gops", "gops"]}, "objectives.1: 'gops' is listed twice"),
        ({"objectives": []}, "objectives"),
        ({"objectives": [{"metric": "gops", "better": "most"}]}, "objectives.0.better"),
        ({"objectives": [f"m{n}" for n in range(7)]}, "objectives"),
        ({"trials": 0}, "trials: 0"),
        ({"trials": 10**9}, "trials"),
        ({"sampler": "annealing"}, "sampler: 'annealing'"),
        ({"sampling": {"method": "random", "points": 5}}, "sampler, trials and seed in place of sampling"),
        ({"constraints": ["sid < 8"]}, "sid is neither an axis"),
        ({"constraints": ["__import__('os')"]}, "constraints"),
        ({"axes": {"machine.systolic.rows": []}}, "axes"),
        ({"tirals": 5}, "did you mean trials?"),
    ],
)
def test_bad_files_are_refused(changes: dict[str, Any], said: str) -> None:
    import re

    with pytest.raises(ConfigError) as refused:
        load_search({**SEARCH, **changes})
    pattern = re.escape(said).replace(r"\.\*", ".*")
    assert re.search(pattern, str(refused.value)), str(refused.value)


def test_trials_and_objectives_must_be_given() -> None:
    for key in ("trials", "objectives"):
        with pytest.raises(ConfigError, match=key):
            load_search({name: value for name, value in SEARCH.items() if name != key})
