"""Files of requests that a system served: read back equal, and damaged ones refused in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim import ClusterResult, load_system, poisson_requests, read_cluster, read_serving, serve, write_cluster
from pimsim.base.errors import ConfigError, ResultFileError
from pimsim.config.stored_system import stored_system, system_text
from tests.support.counts import scaled

PAIR = {
    "name": "pair",
    "split": "phases",
    "machines": {"prefill": "tpu-llm", "decode": {"extends": "pim-llm", "serving": {"max_batch": 3}}},
    "link": "ethernet-100g",
    "workload": {"model": "gpt2-small"},
    "cluster": {"replicas": {"decode": 2}, "ports": "per_machine"},
}
DIVIDED = {
    "split": "tensor",
    "machines": {"chip": "pim-llm"},
    "chips": 4,
    "link": "ucie",
    "workload": {"model": "gpt2-small"},
}


@pytest.fixture(scope="module")
def served() -> ClusterResult:
    return serve(load_system(PAIR), poisson_requests(50.0, 5, prompt=8, output="uniform:1:4", seed=2))


@pytest.fixture(scope="module")
def image(served: ClusterResult, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("store") / "s.h5"
    write_cluster(served, path)
    return path.read_bytes()


def test_a_result_reads_back_equal(served: ClusterResult, tmp_path: Path) -> None:
    first, *others = served.requests
    noted = replace(served, notes=("a note",), requests=(first._replace(prefix_hashes=(7, -3)), *others))
    write_cluster(noted, tmp_path / "s.h5")
    back = read_cluster(tmp_path / "s.h5")
    assert back == noted
    assert back.summary() == served.summary()
    assert back.system == load_system(PAIR)
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


def test_a_result_of_machines_that_divide_each_layer_reads_back_equal(tmp_path: Path) -> None:
    result = serve(load_system(DIVIDED), poisson_requests(50.0, 2, prompt=8, output=2, seed=2))
    write_cluster(result, tmp_path / "s.h5")
    back = read_cluster(tmp_path / "s.h5")
    assert back == result
    assert back.to_dict() == result.to_dict()
    assert [each.name for each in back.shares] == ["chip", "link"]
    write_cluster(replace(result, shares=()), tmp_path / "s.h5")
    with pytest.raises(ResultFileError, match="the table shares does not fit the split of the system"):
        read_cluster(tmp_path / "s.h5")


@pytest.mark.parametrize(
    "source",
    [
        PAIR,
        {"split": "replicas", "machines": {"a": "tpu-llm", "b": "pim-llm"}},
        DIVIDED | {"sum_bits": 8},
    ],
)
def test_any_system_is_read_from_its_text(source: dict[str, object]) -> None:
    system = load_system(source)
    assert stored_system(system_text(system)) == system


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is not a stored system"),
        ("machines: {}", "its machines are not complete configs"),
        ("split: replicas\nmachines: {a: pim-llm}", "its machines are not complete configs"),
        ("split: replicas\nmachines: {a: {extends: /etc/passwd}}", "its machines are not complete configs"),
        ("split: sideways\nmachines: {a: {name: x}}", "split: 'sideways' is not one of"),
    ],
)
def test_a_text_that_is_no_complete_system_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        stored_system(text)


def test_a_file_names_the_command_that_reads_it(image: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.h5").write_bytes(image)
    with pytest.raises(ResultFileError, match="holds a result of pimsim serve for several machines: use pimsim show"):
        read_serving(tmp_path / "s.h5")


def test_rows_that_contradict_each_other_are_refused(served: ClusterResult, tmp_path: Path) -> None:
    [transfer, *transfers], [route, *routes], [machine, *machines] = served.transfers, served.routes, served.machines
    bad: dict[str, ClusterResult] = {
        "a route leads to a machine that is not in the file": replace(
            served, routes=(route._replace(machine=9), *routes)
        ),
        "there are not as many routes as requests": replace(served, routes=tuple(routes)),
        "the transfer of request '1' ends before it starts": replace(
            served, transfers=(transfer._replace(end_ps=0), *transfers)
        ),
        "has a machine that is not in the file": replace(served, transfers=(transfer._replace(receiver=7), *transfers)),
        "has a role that is not in the system": replace(served, machines=(replace(machine, role="other"), *machines)),
        "iterations of machine 'prefill' overlap": replace(
            served, machines=(replace(machine, iterations=(*machine.iterations, machine.iterations[0])), *machines)
        ),
        "there are no requests": replace(served, requests=(), routes=()),
    }
    for message, result in bad.items():
        write_cluster(result, tmp_path / "s.h5")
        with pytest.raises(ResultFileError, match=message):
            read_cluster(tmp_path / "s.h5")


@settings(max_examples=scaled(25, 2_000))
@given(st.data())
def test_damage_anywhere_is_one_error_or_the_same_result(
    served: ClusterResult, image: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(image) - 1))
    damaged = bytearray(image)
    damaged[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged_cluster.h5"
    path.write_bytes(damaged)
    try:
        assert read_cluster(path).requests == served.requests
    except ResultFileError as error:
        assert str(error).isprintable()  # noqa: PT017
