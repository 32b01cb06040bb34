"""Losses of a model on chapters, computed with sliding windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tools.training.intervals import Losses

STRIDE = 192
_WINDOWS_AT_ONCE = 32


@dataclass(frozen=True)
class Windows:
    """Windows of text to evaluate.

    Attributes:
        ids: Input tokens, [windows, tokens].
        targets: The token that follows each input token, [windows, tokens].
        counts: Whether a target counts, [windows, tokens].
        chapter: Number of the chapter, [windows].
    """

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    counts: NDArray[np.bool_]
    chapter: NDArray[np.int64]


def windows(chapters: Sequence[NDArray[np.int64]], length: int, boundary: int, stride: int = STRIDE) -> Windows:
    """Cut chapters into overlapping windows in which each character of a chapter counts once.

    The context of a chapter starts with `boundary`. Each window starts `stride` tokens after the previous one. A
    character in two windows counts in the first, so a character that counts in a later window has at least
    `length` - `stride` characters of context.

    Args:
        chapters: Token ids of each chapter.
        length: Tokens per window.
        boundary: Token that precedes each chapter.
        stride: Distance of consecutive windows, tokens.

    Returns:
        The windows of all chapters.
    """
    rows: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]] = []
    chapter_of: list[int] = []
    for number, text in enumerate(chapters):
        stream = np.concatenate([[boundary], text])
        for start in range(0, max(1, len(text) - length + stride), stride):
            ids, targets = np.zeros(length, np.int64), np.zeros(length, np.int64)
            count = min(length, len(text) - start)
            ids[:count] = stream[start : start + count]
            targets[:count] = stream[start + 1 : start + 1 + count]
            position = np.arange(length)
            rows.append((ids, targets, (position < count) & (position >= (length - stride if start else 0))))
            chapter_of.append(number)
    ids, targets, counts = (np.stack(column) for column in zip(*rows, strict=True))
    return Windows(ids, targets, counts, np.array(chapter_of))


@torch.inference_mode()
def losses(logits: Callable[[Tensor], Tensor], read: Windows) -> Losses:
    """Compute the loss of each chapter.

    Args:
        logits: Function from ids, [batch, tokens], to logits, [batch, tokens, vocabulary].
        read: The windows.

    Returns:
        Nats and characters of each chapter.
    """
    chapters = int(read.chapter.max()) + 1
    nats = np.zeros(chapters)
    for start in range(0, len(read.ids), _WINDOWS_AT_ONCE):
        some = slice(start, start + _WINDOWS_AT_ONCE)
        predicted = logits(torch.from_numpy(read.ids[some])).flatten(0, 1)
        targets = torch.from_numpy(read.targets[some]).flatten()
        each = functional.cross_entropy(predicted, targets, reduction="none").double().numpy()
        counted = each.reshape(-1, read.ids.shape[1]) * read.counts[some]
        np.add.at(nats, read.chapter[some], counted.sum(axis=1))
    return Losses(nats, np.bincount(read.chapter, read.counts.sum(axis=1)).astype(np.int64))
