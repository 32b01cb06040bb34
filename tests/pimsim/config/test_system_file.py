"""System files: roles, links, shared keys, overrides, and one clear message for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config
from pimsim.base.errors import ConfigError
from pimsim.config.file_recognition import is_system
from pimsim.config.system_file import NO_LINK, load_system
from pimsim.config.system_links import link_presets, link_sources

FILE = """\
split: attention
machines: {attention: tpu-llm, projections: mine.yaml}
link: {preset: cxl, latency_s: 1 us}
workload: {model: gpt2-small, context_length: 64}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text("extends: pim-llm\nname: mine\n")
    file = tmp_path / "system.yaml"
    file.write_text(FILE)
    return file


def test_a_system_has_a_config_of_each_role_beside_its_file(path: Path) -> None:
    system = load_system(path)
    assert {role: config.name for role, config in system.machines.items()} == {
        "attention": "tpu-llm",
        "projections": "mine",
    }
    assert {config.workload.context_length for config in system.machines.values()} == {64}
    assert (system.link.bandwidth_bps, system.link.latency_s, system.link.part) == (288e9, 1e-6, "cxl, changed")
    assert is_system(str(path))
    assert not is_system(str(path.parent / "mine.yaml"))
    assert not is_system("pim-llm")


def test_overrides_reach_the_system_one_machine_or_all(path: Path) -> None:
    settings = ["link.bandwidth_bps=1 Gb/s", "machines.attention.machine.systolic.rows=64", "workload.batch=4"]
    system = load_system(path, settings)
    assert system.link.bandwidth_bps == 1e9
    attention, projections = system.machines.values()
    assert (attention.machine.systolic.rows, projections.machine.systolic.rows) == (64, 32)
    assert (attention.workload.batch, projections.workload.batch) == (4, 4)


def test_a_machine_may_be_written_in_the_file() -> None:
    own = {"extends": "tpu-llm", "machine": {"systolic": {"rows": 16}}}
    system = load_system({"split": "phases", "machines": {"prefill": "tpu-llm", "decode": own}, "link": "ucie"})
    assert system.machines["decode"].machine.systolic.rows == 16
    assert system.machines["prefill"] == load_config("tpu-llm", ["workload.phase=generate"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "split=phase",
            "split: 'phase' is not one of phases, attention, tensor, replicas; did you mean phases?  (system.yaml:1)",
        ),
        (
            "link=cxxl",
            "link: 'cxxl' is not one of shared, ucie, nvlink, pcie5-x16, cxl, ethernet-100g; did you mean cxl?",
        ),
        ("link.latency_s=3 GHz", "link.latency_s: '3 GHz' is a frequency; takes a time"),
        ("link.bandwidth=3", "link.bandwidth: unknown key; did you mean bandwidth_bps?"),
        ("chips=4", "chips: has no effect with split: attention; only split: tensor reads it"),
        ("split=phases", "machines.attention: is not a role of split: phases, which has prefill and decode"),
        ("machines.attentoin.machine.systolic.rows=64", "machines.attentoin: is not a role of split: attention"),
        ("machines.attention=tpu-lm", "machines.attention: no such file, and no shipped config with this name"),
        ("machines.attention=memory-hbm2", "machines.attention: is a preset of a memory, not a whole machine"),
        ("machines.attention.workload.batch=3", "workload.batch: is 3 for attention and 1 for projections"),
        ("schedule=contended", "schedule: contended is not a schedule of a system; use serial or dataflow"),
        ("workload.phase=load", "workload.phase: load is not a phase of a system"),
        ("mapping.provisioning=swap", "machines.attention.mapping.provisioning: swap is not available in a system"),
        ("machine.systolic.row=3", "machine.systolic.row: unknown key; did you mean rows?"),
    ],
)
def test_each_mistake_has_one_clear_message(path: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_system(path, [setting])
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_tensor_split_needs_chips_and_a_phase_split_a_generation() -> None:
    with pytest.raises(ConfigError, match="chips: is missing: split: tensor needs the number of chips"):
        load_system({"split": "tensor", "machines": {"chip": "tpu-llm"}, "link": "nvlink"})
    phases = {"split": "phases", "machines": {"prefill": "tpu-llm", "decode": "tpu-llm"}, "link": "nvlink"}
    assert load_system(phases).first.workload.phase == "generate"
    for setting in ("workload.phase=decode", "workload.new_tokens=1"):
        with pytest.raises(ConfigError, match="needs a generation of at least 2 new tokens"):
            load_system(phases, [setting])


REPLICAS = {"split": "replicas", "machines": {"fast": "tpu-llm", "slow": "pim-llm"}}
POOLS = {"split": "phases", "machines": {"prefill": "tpu-llm", "decode": "pim-llm"}, "link": "ucie"}


def test_replicas_have_names_of_their_own_and_no_link() -> None:
    system = load_system(REPLICAS, ["cluster.replicas.fast=3", "schedule=contended", "cluster.routing=round_robin"])
    assert {role: config.name for role, config in system.machines.items()} == {"fast": "tpu-llm", "slow": "pim-llm"}
    assert (system.cluster.replicas, system.cluster.routing) == ({"fast": 3}, "round_robin")
    assert system.link is NO_LINK


@pytest.mark.parametrize(
    ("system", "settings", "message"),
    [
        (REPLICAS | {"machines": {}}, (), "machines: {} is empty: split: replicas needs at least one machine"),
        (REPLICAS | {"machines": {"1": "pim-llm"}}, (), "machines: '1' is not a name of a machine"),
        (REPLICAS | {"machines": {f"m{n}": "pim-llm" for n in range(65)}}, (), "machines: has 65 names; at most 64"),
        (REPLICAS | {"link": "ucie"}, (), "link: has no effect with split: replicas"),
        (
            REPLICAS,
            ("cluster.replicas.fas=2",),
            "is not a role of this system, which has fast and slow; did you mean fast?",
        ),
        (REPLICAS, ("cluster.replicas.fast=0",), "cluster.replicas.fast: 0 is out of range; must be >= 1 and <= 1024"),
        (REPLICAS, ("cluster.replicas.fast=1024",), "cluster.replicas: add up to 1,025 machines; at most 1,024"),
        (
            REPLICAS,
            ("cluster.routing=robin",),
            "cluster.routing: 'robin' is not one of round_robin, random, least_loaded",
        ),
        (REPLICAS, ("cluster.ports=shared",), "cluster.ports: 'shared' has no effect with split: replicas"),
        (REPLICAS, ("cluster.seed=1",), "cluster.seed: 1 has no effect without routing: random"),
        (REPLICAS, ("machines.fast.workload.model=gpt2-small",), "workload.model: is 'gpt2-small' for fast and "),
        (POOLS, ("machines.decode.workload.model=gpt2-small",), "workload.model: is "),
        ({key: POOLS[key] for key in ("split", "machines")}, (), "link: this key is missing"),
        (POOLS | {"machines": {"prefill": "tpu-llm"}}, (), "machines.decode: is missing: split: phases needs"),
        (
            POOLS | {"split": "attention", "machines": {"attention": "tpu-llm", "projections": "pim-llm"}},
            ("cluster.routing=random",),
            "cluster: has no effect with split: attention, whose machines serve each request together",
        ),
    ],
)
def test_keys_of_serving_fit_the_split_and_each_other(
    system: dict[str, object], settings: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_system(system, settings)
    assert message in str(caught.value)


def test_every_figure_of_a_link_has_a_source() -> None:
    for name, values in link_presets().items():
        sources = link_sources()[name]
        for key in values.keys() - {"part"}:
            assert sources[key].source, (name, key)
            assert sources[key].confidence, (name, key)
