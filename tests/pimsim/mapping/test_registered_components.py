"""Registered components that contradict themselves are refused before a run, with what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError
from pimsim.config.schema import VectorConfig
from pimsim.hardware.registry import register_component
from pimsim.hardware.vector import VectorShare, VectorUnit
from pimsim.steps.step_tree import Step, Work, duration_ps
from tests.oracles import naive_schedule
from tests.support import trees
from tests.support.outside_kinds import restored_kinds
from workloads.ops import Norm
from workloads.trace import Block, Trace

TRACE = Trace(
    model="norm",
    phase="decode",
    context_length=1,
    tokens=1,
    blocks=(Block(name="layer", repeat=1, ops=(Norm("norm", ("input",), "rmsnorm", vectors=1, elements=8),)),),
)


@pytest.fixture(autouse=True)
def _registered_for_one_test_only() -> Iterator[None]:
    with restored_kinds():
        yield


@dataclass(frozen=True, slots=True)
class Wrong(VectorUnit):
    """A vector unit with one step that `change` changes."""

    change: str = ""

    def work(self, share: VectorShare) -> Work:
        step = Step("vector", "vector", "pass", VectorUnit.latency_ps(self, share), (("vector.operation", 1),))
        changed = {"time": {"duration_ps": 7}, "part": {"part": "tensor"}, "action": {"counts": (("vector.op", 1),)}}
        return replace(step, **changed.get(self.change, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "time",
            r"machine.outside.vector.*'vector'.*contradicts itself: its steps take 7 ps and its latency_ps [\d,]+ ps",
        ),
        ("part", r"has steps of the unknown part 'tensor'; parts are systolic, crossbar, .*\(op 'norm'\)"),
        ("action", "counts the action 'vector.op', for which its action_energies_j has no energy"),
    ],
)
def test_a_component_that_contradicts_itself_is_refused(change: str, message: str) -> None:
    own = load_config("tpu-llm").machine.vector.model_dump(mode="json")
    register_component("vector", "right", VectorConfig, Wrong)
    register_component("vector", "wrong", VectorConfig, lambda section: Wrong(section, change=change))
    for kind in ("right", "wrong"):
        outside = {"vector": {"kind": kind, "parameters": {k: v for k, v in own.items() if v is not None}}}
        config = load_config({"extends": "tpu-llm", "machine": {"outside": outside}})
        if kind == "right":
            assert simulate(config, TRACE).latency_ps > 0
        else:
            with pytest.raises(ConfigError, match=message):
                simulate(config, TRACE)


@given(work=trees.trees())
def test_the_duration_of_a_tree_is_that_of_its_events(work: Work) -> None:
    assert duration_ps(work) == naive_schedule.replay(work)[0]
