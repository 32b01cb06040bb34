"""The global buffer holds at least an access of its port and any vector, the command store a command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings

from pimsim import generate, load_config, simulate
from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.schema import Config
from pimsim.present.text.run_report import print_run
from pimsim.results.store import read_config, read_result, write_result
from pimsim.studies.serving import serving_run
from tests.support.counts import scaled
from tests.support.printed import printed
from tests.support.strategies import runs
from workloads.requests import Request
from workloads.trace import Trace

NO_HEAD = "workload.lm_head=false"


@pytest.mark.parametrize(
    ("machine", "settings", "op", "least"),
    [
        # 50,272 logits of 8 bits.
        ("pim-llm", [], "lm_head", 50_272),
        # 16,384 sums over 4,096 rows: inputs of 8 bits, signed weights of 1 bit, 2^12 rows: 20 bits each.
        ("pim-llm", [NO_HEAD], "ffn_up", 16_384 * 20 // 8),
        # Partial sums of 8 bits.
        ("pim-llm-published", [], "ffn_up", 16_384),
        # A row of scores is longer than all other vectors.
        ("pim-llm", ["workload.context_length=60000"], "scores", 60_000),
    ],
)
def test_the_widest_vector_fits_exactly(machine: str, settings: list[str], op: str, least: int) -> None:
    def config(size: int) -> Config:
        return load_config(machine, [*settings, f"machine.sram.capacity_bytes={size}"])

    assert simulate(config(least)).latency_ps == simulate(config(1 << 30)).latency_ps
    with pytest.raises(CapacityError) as refused:
        simulate(config(least - 1))
    assert str(refused.value) == (
        f"machine.sram.capacity_bytes: a global buffer of {least - 1:,} bytes cannot hold one vector of {least:,} "
        f"bytes, which {op} of block {'lm_head' if op == 'lm_head' else 'layer'!r} of opt-6.7b needs; set it to at "
        f"least {least}"
    )


def with_buffer(config: Config, capacity_bytes: int) -> Config:
    """The config with another global buffer, whose port is one byte wide."""
    changes = {"capacity_bytes": capacity_bytes, "width_bits": 8}
    sram = config.machine.sram.model_copy(update=changes)
    return config.model_copy(update={"machine": config.machine.model_copy(update={"sram": sram})})


def size_named(config: Config, trace: Trace, capacity_bytes: int) -> int | None:
    """The size that the refusal names; None if the buffer is accepted."""
    try:
        simulate(with_buffer(config, capacity_bytes), trace)
    except CapacityError as error:
        return int(re.findall(r"at least (\d+)$", str(error))[0])
    return None


@settings(max_examples=scaled(20, 2000), deadline=None)
@given(run=runs())
def test_any_run_needs_the_size_that_its_refusal_names_and_not_a_byte_more(run: tuple[Config, Trace]) -> None:
    least = size_named(*run, 1)
    if least is not None:
        assert size_named(*run, least) is None
        assert size_named(*run, least - 1) == least


@pytest.mark.parametrize(
    ("key", "fits", "sentence"),
    [
        (
            "machine.sram.capacity_bytes",
            6284,  # the logits of OPT-6.7B are 50,272 bytes: 6,284 x 8, so a port of as many bits just fits
            "6283 is too small for one access of its port, which has 50272 bits; must be at least 6284 bytes",
        ),
        (
            "machine.controller.store_bytes",
            8,
            "7 is too small for one command, which has 64 bits; must be at least 8 bytes",
        ),
    ],
)
def test_a_capacity_below_one_access_is_refused(key: str, fits: int, sentence: str) -> None:
    base = ["workload.model=gpt2-small", NO_HEAD, "workload.embedding=false", "machine.sram.width_bits=50272"]
    assert simulate(load_config("pim-llm-published", [*base, f"{key}={fits}"])).latency_ps > 0
    with pytest.raises(ConfigError) as refused:
        simulate(load_config("pim-llm-published", [*base, f"{key}={fits - 1}"]))
    assert str(refused.value) == f"pim-llm-published: {key}: {sentence}"


def test_generate_and_serve_refuse_before_their_first_step() -> None:
    """The prompt of one token and 60,000 tokens after the first one are cached; the first steps would run."""
    config = load_config(
        "pim-llm",
        [
            "workload.model=gpt2-small",
            "workload.prompt_length=1",
            "workload.new_tokens=60001",
            "machine.sram.capacity_bytes=60000",
        ],
    )
    steps: list[int] = []
    with pytest.raises(CapacityError, match="60,001 bytes, which scores of block 'layer'"):
        generate(config, lambda done, _: steps.append(done))
    with pytest.raises(CapacityError, match="60,001 bytes, which scores of block 'layer'"):
        serving_run.serve(
            config,
            [Request(id="one", arrival_s=0.0, prompt_tokens=1, output_tokens=60001)],
            lambda done, _: steps.append(done),
        )
    assert steps == []


def test_a_stored_result_with_a_small_buffer_is_shown_and_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions ran with any capacity."""
    config = load_config("pim-llm", ["workload.model=gpt2-small", "machine.sram.capacity_bytes=1"])
    with monkeypatch.context() as patch:
        patch.setattr("pimsim.simulation.check_buffers", lambda *_: None)
        result = simulate(config)
    write_result(result, tmp_path / "old.h5")
    assert read_result(tmp_path / "old.h5") == result
    assert "gpt2-small" in printed(print_run, read_result(tmp_path / "old.h5"))
    with pytest.raises(ConfigError, match=r"machine\.sram\.capacity_bytes: 1 is too small"):
        simulate(read_config(tmp_path / "old.h5"))
