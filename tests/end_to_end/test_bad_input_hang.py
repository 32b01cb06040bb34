"""Pipes, devices without end and bytes that are not text: each in a process that can be stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.end_to_end.refusals import SMALL, config_file
from tests.support.command_line import assert_refused, pimsim_process

pytestmark = pytest.mark.timeout(120)
"""For each refusal, which must not hang; it takes a tenth of a second."""


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (3, ["run", "{pipe}"]),
        (4, ["run", "pim-llm", "--trace", "{pipe}"]),
        (4, ["trace", "show", "{pipe}"]),
        (7, ["run", "pim-llm", "--set", SMALL, "--csv", "{pipe}"]),
        (7, ["run", "pim-llm", "--set", SMALL, "--out", "{pipe}"]),
        (7, ["reproduce", "fig1b", "--csv", "{pipe}"]),
        (3, ["run", "/dev/zero"]),
        (4, ["trace", "show", "/dev/zero"]),
        (3, ["run", "/dev/stdin"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_pipe_or_device_without_end_is_not_waited_for(code: int, args: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_refused(pimsim_process(*(str(pipe) if each == "{pipe}" else each for each in args)), code)
    assert pipe.is_fifo()


def test_a_pipe_that_a_config_extends_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_refused(pimsim_process("run", config_file(tmp_path, "extends: pipe\n")), 3)


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    assert_refused(pimsim_process("run", b"no-\xff-file"), 3)
    assert_refused(pimsim_process("run", "pim-llm", "--set", b"name=\xff"), 3)
    assert_refused(pimsim_process("reproduce", b"\xff"), 2)
