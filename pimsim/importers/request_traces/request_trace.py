"""Requests that were read from a file, with what the file has and the requests do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from workloads.requests import Request


@dataclass(frozen=True, repr=False)
class RequestTrace(Sequence[Request]):
    """Requests of a file, in order of arrival: a sequence that `serve` accepts.

    Attributes:
        requests: The requests.
        format: Name of the format that the file was recognised as.
        skipped: Number of rows that were skipped, because they have no prompt or no output tokens.
        notes: What was changed or left out, one sentence each; `serve` adds them to its result.
        hash_tokens: Prompt tokens per hash of `Request.prefix_hashes`; None if the file does not state it.
    """

    requests: tuple[Request, ...]
    format: str
    skipped: int = 0
    notes: tuple[str, ...] = ()
    hash_tokens: int | None = None

    def __len__(self) -> int:
        return len(self.requests)

    @overload
    def __getitem__(self, index: int) -> Request: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Request, ...]: ...

    def __getitem__(self, index: int | slice) -> Request | tuple[Request, ...]:
        """Return one request, or those of a slice.

        Args:
            index: Number in the order of arrival, from 0, or a slice.

        Returns:
            The request, or a tuple of requests without notes.
        """
        return self.requests[index]

    def __repr__(self) -> str:
        return f"<RequestTrace format: {self.format}, requests: {len(self):,}, skipped: {self.skipped:,}>"
