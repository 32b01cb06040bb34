"""Losses of a model on chapters, by sliding windows."""

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
    """What a model reads, what should follow each token, and which of it counts, [windows, tokens] each."""

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    counts: NDArray[np.bool_]
    chapter: NDArray[np.int64]  # [windows]


def windows(chapters: Sequence[NDArray[np.int64]], length: int, boundary: int, stride: int = STRIDE) -> Windows:
    """Windows in which each character of a chapter counts once.

    A chapter starts after `boundary`, and nothing before that is read. Each window is `stride` further than the one
    before; what both cover counted in the first, so that any other character has `length` - `stride` before it or more.
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
            place = np.arange(length)
            rows.append((ids, targets, (place < count) & (place >= (length - stride if start else 0))))
            chapter_of.append(number)
    ids, targets, counts = (np.stack(part) for part in zip(*rows, strict=True))
    return Windows(ids, targets, counts, np.array(chapter_of))


@torch.inference_mode()
def losses(logits: Callable[[Tensor], Tensor], read: Windows) -> Losses:
    """Nats and characters of each chapter, by a function from ids to logits."""
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
