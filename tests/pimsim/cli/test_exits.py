"""Ways to end: exit codes, errors in one line, interrupts, closed pipes and full disks."""

from __future__ import annotations

import errno
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pimsim.simulation
from pimsim.base.errors import StalledError
from pimsim.version import __version__
from tests.support.command_line import SECONDS, assert_refused, interruptible, pimsim_process
from tests.support.command_line import pimsim as run_pimsim


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (2, ["run"]),
        (2, ["run", "pim-llm", "--nonsense"]),
        (2, ["runn"]),
        (2, ["trace", "make", "opt-6.7b"]),
        (2, ["trace", "make", "opt-6.7b", "--context", "many"]),
        (2, ["reproduce", "fig99"]),
        (2, ["reproduce", "claims", "--accounting", "corected"]),
        (2, ["validate", "--only", "nothing-of-this-name"]),
        (3, ["run", "nothing-of-this-name"]),
        (3, ["sweep", "nothing-of-this-name"]),
        (3, ["macros", "nothing-of-this-name"]),
        (3, ["run", "pim-llm", "--set", "machine.mesh.rows=0"]),
        (3, ["run", "pim-llm", "--set", "machine.mesh.link_bandwidth_bps=20 ns"]),
        (4, ["run", "pim-llm", "--set", "workload.model=gpt5"]),
        (4, ["run", "pim-llm", "--trace", "nothing-of-this-name"]),
        (4, ["trace", "show", "nothing-of-this-name"]),
        (4, ["trace", "make", "gpt5", "--context", "3"]),
        (5, ["run", "defaults", "--set", "workload.model=opt-6.7b"]),
        (5, ["run", "pim-llm", "--set", "machine.mesh.rows=2"]),
        (7, ["run", "pim-llm", "--csv", "no/such/folder/x.csv"]),
        (7, ["run", "pim-llm", "--out", "no/such/folder/x.h5"]),
        (7, ["trace", "make", "gpt2-small", "--context", "3", "--out", "no/such/folder/x.json"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_each_kind_of_error_has_its_exit_code(
    code: int, args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run_pimsim(*args), code)
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_a_large_model_names_its_tiles_and_solutions() -> None:
    """Each solution that the message names works."""
    outcome = run_pimsim("run", "defaults", "--set", "workload.model=opt-1.3b")
    assert_refused(outcome, 5)
    assert re.search(r"opt-1\.3b needs 4,608 tiles in \d+ banks; the machine has 1 of 4,096 tiles", outcome.err)
    offered = re.findall(
        r"machine\.crossbar\.banks=\d+|machine\.chips\.count=\d+|mapping\.provisioning=\w+", outcome.err
    )
    assert len(offered) == 4
    for override in offered:
        assert run_pimsim("run", "defaults", "--set", "workload.model=opt-1.3b", "--set", override).ok


def test_a_damaged_result_file_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    assert_refused(run_pimsim("run", path), 8)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StalledError("scores waits for q_proj"), 6, "pimsim: scores waits for q_proj\n"),
        (KeyboardInterrupt(), 130, "pimsim: interrupted\n"),
        (ZeroDivisionError("division by zero"), 70, "pimsim: internal error: ZeroDivisionError: division by zero. "),
        (RecursionError("too deep"), 70, "pimsim: internal error: too deep"),
        (MemoryError(), 71, "pimsim: too little memory: "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 71, "pimsim: too little memory: "),
        (OSError(errno.EMFILE, "Too many open files", "/x"), 71, "pimsim: too many open files: raise the limit"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_exception_ends_in_one_line(
    error: BaseException, code: int, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.delenv("PIMSIM_DEBUG", raising=False)
    monkeypatch.setattr(pimsim.simulation, "simulate", fail)
    outcome = run_pimsim("run", "pim-llm")
    assert (outcome.code, outcome.out) == (code, "")
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 1
    if text is not None:
        assert outcome.err.startswith(text)


def test_pimsim_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pimsim.simulation, "simulate", fail)
    assert "PIMSIM_DEBUG=1 shows the traceback" in run_pimsim("run", "pim-llm").err
    monkeypatch.setenv("PIMSIM_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["pimsim", "run", "pim-llm"])
    with pytest.raises(ZeroDivisionError):
        pimsim.cli.app.main()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_at_once(number: signal.Signals) -> None:
    code = """
import sys, time
import pimsim.simulation
from pimsim.cli.app import main

def simulate(config, **_):
    print("started", file=sys.stderr, flush=True)
    time.sleep(600)

pimsim.simulation.simulate = simulate
sys.argv = ["pimsim", "run", "pim-llm"]
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    assert process.stderr
    assert process.stderr.readline() == "started\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert out == ""
    assert err == "pimsim: interrupted\n"


@pytest.mark.parametrize("command", ["reproduce fig6", "run pim-llm", "trace make gpt2-small --context 3"])
def test_a_closed_pipe_is_not_an_error(command: str) -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{shlex.quote(sys.executable)} -m pimsim {command} | head -n 1"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["run pim-llm", "run pim-llm --json", "trace make gpt2-small --context 3"])
def test_a_full_disk_behind_standard_output_is_reported(command: str) -> None:
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m pimsim {command} > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 7
    assert done.stderr == "pimsim: standard output: cannot be written: No space left on device\n"


def test_a_closed_standard_output_is_not_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ops.csv"
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m pimsim run pim-llm --csv {shlex.quote(str(path))} >&-",
        shell=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert path.exists()


def test_messages_go_to_standard_error_and_results_to_standard_output() -> None:
    refused = pimsim_process("run", "pim-lm")
    assert_refused(refused, 3)
    assert "did you mean pim-llm?" in refused.err
    assert pimsim_process("--version").ok == f"pimsim {__version__}\n"
