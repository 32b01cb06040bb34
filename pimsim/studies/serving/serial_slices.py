"""Slices of iterations under the serial schedule: weights, attention of prompts, and attention of decode steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pimsim.config.schema import Config
from pimsim.results.run_result import RunResult
from pimsim.studies.serving.decode_table import DecodeStretch, DecodeTable
from pimsim.studies.serving.simulated_slice import Slice, as_input_error
from pimsim.studies.serving.slice_family import Base, Domain, SliceFamily
from pimsim.studies.serving.slice_figures import SliceFigures
from workloads.decoder_ops import PassOptions, attention_part, weights_part
from workloads.decoder_pass import SequenceGroup
from workloads.models import ModelSpec
from workloads.requests import Request
from workloads.trace import Trace

Simulate = Callable[[Callable[[PassOptions], Trace]], tuple[RunResult, Callable[[], int]]]
"""Function of a function that builds a trace: simulates it, and returns the run and a function that returns the number
of its accounting."""


class SerialSlices:
    """Slices of one model on one machine, each simulated once or following from a fit of simulated ones.

    Args:
        config: Machine and gating.
        spec: The model.
        reach: Context beyond which a decode step does not change; None if there is none.
        simulate: Function that simulates a trace.
    """

    def __init__(self, config: Config, spec: ModelSpec, reach: int | None, simulate: Simulate) -> None:
        self._spec, self._reach, self._simulate = spec, reach, simulate
        self._figures = SliceFigures(config)
        self._longest_prompt = self._longest_context = 1
        self._prompt_lengths = 0
        self.clear()

    def __len__(self) -> int:
        """Return the number of slices that are kept."""
        return self._figures.made

    def clear(self) -> None:
        """Forget all slices, so that the numbers of accounting terms are no longer used."""
        self._figures.made = 0
        self._weights: dict[int, SliceFamily] = {}
        self._prompts: dict[int, SliceFamily] = {}
        self._decodes: dict[int, SliceFamily] = {}
        self._chunks: dict[tuple[int, int, int], Slice] = {}
        self._tables: dict[int, DecodeTable] = {}

    def expect(self, requests: Sequence[Request]) -> None:
        """Note what will be asked, so that a fit is tried where it saves simulations.

        Args:
            requests: Requests that will be served.
        """
        self._longest_prompt = max(self._longest_prompt, *(each.prompt_tokens for each in requests))
        self._longest_context = max(self._longest_context, *(each.kv_entries for each in requests))
        self._prompt_lengths = max(self._prompt_lengths, len({each.prompt_tokens for each in requests}))

    def weights(self, vectors: int, outputs: int) -> Slice:
        """Return the weight ops of an iteration.

        Args:
            vectors: New tokens of all sequences.
            outputs: Sequences that produce an output token.

        Returns:
            The slice.
        """
        return self._weights_by_vectors(outputs).of(vectors)

    def _weights_by_vectors(self, outputs: int) -> SliceFamily:
        family = self._weights.get(outputs)
        if family is None:
            family = self._weights[outputs] = SliceFamily(
                lambda number: self._simulate(lambda on: weights_part(self._spec, number, outputs, **on)),
                self._figures,
                1,
                Domain(
                    first=max(1, outputs),
                    last=lambda: 2 * self._longest_prompt,
                    periods=self._figures.periods,
                    expected=lambda: self._prompt_lengths if outputs == 1 else 0,
                ),
                Base(self._weights_by_vectors(1), 1, 0) if outputs > 1 else None,
            )
        return family

    def attention(self, group: tuple[int, int, int]) -> Slice:
        """Return the attention of a group of sequences with equal shapes.

        Args:
            group: Queries, context and number of sequences.

        Returns:
            The slice.
        """
        queries, context, sequences = group
        if queries == 1:
            return self._decode(sequences).of(min(context, self._reach or context))
        if queries == context:
            return self._prompt(sequences).of(context)
        found = self._chunks.get(group)
        if found is None:
            run, term = self._attention_run(*group)
            found = self._chunks[group] = self._figures.slice_of(self._figures.sample_of(run), ((term(), 1.0),))
        return found

    def _attention_run(self, queries: int, context: int, sequences: int) -> tuple[RunResult, Callable[[], int]]:
        with as_input_error():
            shape = SequenceGroup(sequences, queries, context)
        return self._simulate(
            lambda on: attention_part(self._spec, shape, kv=on["kv"], quantisation=on["quantisation"])
        )

    def _decode(self, sequences: int) -> SliceFamily:
        family = self._decodes.get(sequences)
        if family is None:
            family = self._decodes[sequences] = SliceFamily(
                lambda context: self._attention_run(1, context, sequences),
                self._figures,
                1,
                Domain(
                    first=1,
                    last=lambda: min(self._longest_context, self._reach or self._longest_context),
                    periods=self._figures.array_periods if sequences == 1 else self._figures.periods,
                    expected=lambda: self._longest_context if sequences == 1 else 0,
                ),
                Base(self._decode(1), sequences, 1) if sequences > 1 else None,
            )
        return family

    def _prompt(self, sequences: int) -> SliceFamily:
        family = self._prompts.get(sequences)
        if family is None:
            family = self._prompts[sequences] = SliceFamily(
                lambda tokens: self._attention_run(tokens, tokens, sequences),
                self._figures,
                2,
                Domain(
                    first=2,
                    last=lambda: self._longest_prompt,
                    periods=self._figures.array_periods,
                    expected=lambda: self._prompt_lengths if sequences == 1 else 0,
                ),
            )
        return family

    def stretch(self, weights: Slice, contexts: Sequence[tuple[int, int]], power_w: float | None) -> DecodeStretch:
        """Return decode iterations of the same sequences, whose contexts grow by one each time.

        Args:
            weights: Weight ops of each iteration.
            contexts: Contexts of the first iteration in increasing order, each with its number of sequences.
            power_w: Leakage power, watts, if it does not depend on what works; else None.

        Returns:
            The iterations.
        """
        groups = []
        for context, count in contexts:
            table = self._tables.get(count)
            if table is None:
                table = self._tables[count] = self._table(self._decode(count))
            cheap = table.cheap
            if cheap is not None and cheap.first <= context <= cheap.first + cheap.length:
                groups.append((table, cheap, context - cheap.first))
            else:
                groups.append((table, *table.at(context)))
        return DecodeStretch(weights, contexts, groups, power_w)

    def _table(self, family: SliceFamily) -> DecodeTable:
        reach = self._reach
        if reach is None:
            return DecodeTable(family.of, family.cheap_from)
        return DecodeTable(
            lambda context: family.of(min(context, reach)),
            lambda context: context if context > reach else family.cheap_from(context),
        )

    def take_uses(self) -> dict[int, float]:
        """Return how often each accounting term was used by stretches since the last call.

        Returns:
            Weights by term.
        """
        weights: dict[int, float] = {}
        for table in self._tables.values():
            for terms, count in table.take_uses():
                for term, weight in terms:
                    weights[term] = weights.get(term, 0.0) + count * weight
        return weights
