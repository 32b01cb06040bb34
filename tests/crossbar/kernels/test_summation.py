"""How sums are computed is chosen by the processor, the system's permission and the number of vectors, or by a key."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from crossbar.array_errors import CrossbarError
from crossbar.kernels import summation
from crossbar.kernels.amx import FEATURES, has_amx
from crossbar.kernels.summation import AMX, KEYS, MASKED_VECTORS, MASKS, TABLES, amx_available, chosen_sums, use_sums


@pytest.fixture(autouse=True)
def asked_again() -> Iterator[None]:
    """Each test asks the processor and the system itself."""
    amx_available.cache_clear()
    yield
    amx_available.cache_clear()


def target(*features: str) -> Any:
    """A target context of a processor with these features."""
    codegen = SimpleNamespace(magic_tuple=lambda: ("x86_64", "some", ",".join(features)))
    return SimpleNamespace(codegen=lambda: codegen)


@pytest.mark.parametrize("missing", FEATURES)
def test_every_feature_is_needed(missing: str) -> None:
    assert has_amx(target("+sse2", *FEATURES))
    assert not has_amx(target("+sse2", *(each for each in FEATURES if each != missing), f"-{missing[1:]}"))


@pytest.mark.parametrize(("vectors", "key"), [(0, MASKS), (MASKED_VECTORS, MASKS), (MASKED_VECTORS + 1, TABLES)])
def test_other_ways_are_used_without_amx(vectors: int, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summation, "has_amx", lambda _: False)
    assert chosen_sums(vectors) == key


def test_other_ways_are_used_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summation, "has_amx", lambda _: True)
    monkeypatch.setattr(summation, "_permitted", lambda: False)
    assert chosen_sums(64) == TABLES
    with pytest.raises(CrossbarError, match="no AMX or the operating system refuses"):
        use_sums(AMX)


def test_amx_is_used_with_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summation, "has_amx", lambda _: True)
    monkeypatch.setattr(summation, "_permitted", lambda: True)
    assert chosen_sums(MASKED_VECTORS + 1) == AMX
    assert chosen_sums(MASKED_VECTORS) == MASKS


@pytest.mark.parametrize(("answer", "granted"), [(0, True), (-1, False)])
def test_the_answer_of_the_system_is_the_permission(
    answer: int, granted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def syscall(*numbers: int) -> int:
        asked.append(numbers)
        return answer

    monkeypatch.setattr(summation.ctypes, "CDLL", lambda _: SimpleNamespace(syscall=syscall))
    monkeypatch.setattr(summation.sys, "platform", "linux")
    monkeypatch.setattr(summation.platform, "machine", lambda: "x86_64")
    assert summation._permitted() is granted
    assert asked == [(158, 0x1023, 18)]  # arch_prctl, ARCH_REQ_XCOMP_PERM, tile data: Linux, arch/x86


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64")])
def test_other_systems_are_not_asked(system: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summation.sys, "platform", system)
    monkeypatch.setattr(summation.platform, "machine", lambda: machine)
    monkeypatch.setattr(summation.ctypes, "CDLL", lambda _: pytest.fail("the system was asked"))
    assert not summation._permitted()


def test_a_key_holds_inside_its_context_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summation, "has_amx", lambda _: False)
    with use_sums(MASKS):
        with use_sums(TABLES):
            assert chosen_sums(1) == TABLES
        assert chosen_sums(64) == MASKS
        with use_sums(None):
            assert chosen_sums(64) == TABLES
    assert chosen_sums(64) == TABLES


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CrossbarError, match=f"sums is 'lookup'; it must be one of {', '.join(KEYS)}"):
        use_sums("lookup")
