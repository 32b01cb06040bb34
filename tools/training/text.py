"""The King James Bible as chapters of plain text, and their division into training, validation and held-out text.

The text is the output of the program in Debian's package `bible-kjv`, which reads the data of `bible-kjv-text`. The
translation dates from 1611 and is in the public domain (copyright file of the packages).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EVERY = 26
HELD_OUT = 12
"""Chapters number 12, 38, 64, ... of 1,189, counted from 0, are held out: 46 of them, from Genesis to Revelation."""
VALIDATION = 25
"""Chapters number 25, 51, 77, ... are the validation text, on which hyperparameters were chosen."""
SHARED_CHARS = 100
"""Length of a passage shared with a held-out chapter that excludes a verse from training, characters.

For example, 2 Kings 18 repeats Isaiah 36.
"""
CALIBRATION_CHARS = 20_000

REPLACEMENT = "\ufffd"
"""Token of all characters that do not occur in the training text; its id is 0."""
BOUNDARY = "\n"
"""Character at the end of each verse; a chapter starts after one more."""

_VERSE = re.compile(r"(?P<chapter>\w+?\d+):\d+ (?P<text>.+)")


@dataclass(frozen=True)
class Chapter:
    """A chapter: its name as abbreviated by the program, and its verses, one per line."""

    name: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """The three subsets of the text."""

    training: list[Chapter]
    validation: list[Chapter]
    held_out: list[Chapter]

    @property
    def calibration(self) -> str:
        """About 20 KB of the training text for the calibration of ADCs: evenly spaced whole verses, in order."""
        verses = [verse for chapter in self.training for verse in chapter.text.splitlines(keepends=True)]
        step = sum(map(len, verses)) // CALIBRATION_CHARS
        return "".join(verses[step // 2 :: step])


def bible() -> str:
    """Return all verses as the program prints them, one per line.

    Raises:
        FileNotFoundError: If the program is not installed.
    """
    command = ["bible", "-f", "gen1:1-rev22:21"]
    return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout


def chapters_of(printed: str) -> list[Chapter]:
    r"""Return the chapters in the output of the program, in its order, without the numbers of the verses.

    >>> chapters_of("Ge1:1 In the beginning\nGe1:2 And\nGe2:1 Thus\n")
    [Chapter(name='Ge1', text='In the beginning\nAnd\n'), Chapter(name='Ge2', text='Thus\n')]
    """
    verses: dict[str, list[str]] = {}
    for line in filter(None, printed.splitlines()):
        match = _VERSE.fullmatch(line)
        if not match:
            raise ValueError(f"not a verse: {line[:60]!r}")
        verses.setdefault(match["chapter"], []).append(" ".join(match["text"].split()) + BOUNDARY)
    return [Chapter(name, "".join(lines)) for name, lines in verses.items()]


def split(chapters: Sequence[Chapter]) -> Corpus:
    """Divide chapters by their number, and remove training verses that share a passage with a held-out chapter."""
    held_out = [chapter for number, chapter in enumerate(chapters) if number % EVERY == HELD_OUT]
    validation = [chapter for number, chapter in enumerate(chapters) if number % EVERY == VALIDATION]
    rest = [chapter for number, chapter in enumerate(chapters) if number % EVERY not in (HELD_OUT, VALIDATION)]
    known = {passage for chapter in held_out for passage in passages(chapter.text)}
    filtered = (Chapter(chapter.name, _without(chapter.text, known)) for chapter in rest)
    return Corpus([chapter for chapter in filtered if chapter.text], validation, held_out)


def passages(text: str, chars: int = SHARED_CHARS) -> Iterable[str]:
    """Return all passages of `chars` characters, at every start position."""
    return (text[start : start + chars] for start in range(len(text) - chars + 1))


def _without(text: str, known: set[str]) -> str:
    """Return a chapter without the verses that overlap a known passage."""
    shared = np.zeros(len(text), bool)
    for start, passage in enumerate(passages(text)):
        if passage in known:
            shared[start : start + SHARED_CHARS] = True
    kept, start = [], 0
    for verse in text.splitlines(keepends=True):
        if not shared[start : start + len(verse)].any():
            kept.append(verse)
        start += len(verse)
    return "".join(kept)


class Alphabet:
    """Characters as tokens: the replacement has id 0, and the others follow in the order of their code points."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = [REPLACEMENT, *sorted(set(text) - {REPLACEMENT})]
        self._ids = {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the token ids of a text, [characters] int64."""
        return np.array([self._ids.get(character, 0) for character in text], np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids."""
        return "".join(self.tokens[number] for number in ids)
