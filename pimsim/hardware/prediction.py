"""Prediction of the scores that matter: codebooks on ReRAM crossbars, sums of products of centroids, and a selection.

An array multiplies a part of a query, or of a new key, by all centroids of a codebook at once. With a winner-take-all
read-out it only says which centroid is nearest; the lanes then read the products of that centroid with the others from
a table. With ADCs it says the products themselves. The lanes add, for each cached entry, the products that the codes of
its key select, and a second pass keeps the entries with the largest sums.

Reference:
    docs/baselines.md, eq. (16) and (17). Product quantisation: Jegou et al., IEEE TPAMI 33(1), 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import PredictionConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.steps.step_tree import Sequence, Step, Work

TABLE_BITS = 16
"""Bits of a product of two parts of vectors: 2 x 8 bits at most for each element, summed by few elements."""


@dataclass(frozen=True, slots=True)
class RankingShare:
    """Ranking of the cached entries for some queries.

    Attributes:
        kv_heads: KV heads, each with codebooks of its own.
        rows: Rows of scores that are ranked: KV heads times sequences. The query heads of a KV head share a row.
        queries: Query vectors per row.
        elements: Elements of a query.
        entries: Cached entries of a row.
        exact: True if the entries are ranked by their scores, which other hardware has computed.
    """

    kv_heads: int
    rows: int
    queries: int
    elements: int
    entries: int
    exact: bool = False


@dataclass(frozen=True, slots=True)
class CodingShare:
    """Coding of new keys: the nearest centroid of each part.

    Attributes:
        kv_heads: KV heads, each with codebooks of its own.
        tokens: Keys per KV head.
        elements: Elements of a key.
    """

    kv_heads: int
    tokens: int
    elements: int


@dataclass(frozen=True, slots=True)
class SkippedShare:
    """Multiply-accumulates that nobody computes, because their entries are not kept.

    Attributes:
        macs: Number of multiply-accumulates.
    """

    macs: int


@dataclass(frozen=True, slots=True)
class Prediction(SingleUnit):
    """Arrays of codebooks, and the lanes behind them."""

    config: PredictionConfig
    name: str = "prediction"

    def codebooks_per_array(self, elements: int) -> int:
        """Return the number of codebooks that an array holds.

        Args:
            elements: Elements of a key.

        Returns:
            Number of codebooks; 0 if not even one fits. A codebook has a row per element of its part, and one for the
            length of its centroids.
        """
        config = self.config
        return config.rows // (elements // config.subspaces + 1) * (config.columns // (2 * config.centroids))

    def code_bits(self, keys: int) -> int:
        """Return the size of the codes of some keys.

        Args:
            keys: Number of keys.

        Returns:
            Bits.
        """
        return keys * self.config.subspaces * self.config.code_bits

    def table_bits(self, kv_heads: int) -> int:
        """Return the size of the products of centroids.

        Args:
            kv_heads: KV heads of some layers.

        Returns:
            Bits; 0 with ADCs, which give products.
        """
        config = self.config
        if config.readout == "adc":
            return 0
        return kv_heads * config.subspaces * config.centroids**2 * TABLE_BITS

    def _pulses(self) -> int:
        """Return the unit pulses of an access: the longest input, or one pulse per bit of its magnitude."""
        bits = self.config.input_bits - 1
        return (1 << bits) - 1 if self.config.readout == "winner_take_all" else bits

    def _access_ps(self) -> int:
        """Return the time in which an array multiplies a part of a vector by a codebook, and is read."""
        config = self.config
        if config.readout == "winner_take_all":
            return to_ps(self._pulses() * config.pulse_s + config.winner_s)
        conversions = ceil_div(config.centroids, config.adcs)
        return to_ps(self._pulses() * (config.pulse_s + conversions * config.conversion_s))

    def _access_counts(self, accesses: int, elements: int) -> tuple[tuple[str, int], ...]:
        config = self.config
        cells = (elements // config.subspaces + 1) * 2 * config.centroids
        pulses = ("prediction.cell_pulse", accesses * cells * self._pulses())
        if config.readout == "winner_take_all":
            return (pulses, ("prediction.winner_column", accesses * config.centroids))
        return (pulses, ("prediction.conversion", accesses * config.centroids * self._pulses()))

    def _lanes_ps(self, items: int) -> int:
        return to_ps(ceil_div(items, self.config.lanes) / self.config.clock_hz)

    def _codebooks(self, kv_heads: int, vectors: int, elements: int) -> Step:
        """Return the accesses of all codebooks of an op: those of different arrays at the same time.

        Args:
            kv_heads: KV heads.
            vectors: Vectors per KV head.
            elements: Elements of a vector.

        Returns:
            The step.
        """
        parts = kv_heads * self.config.subspaces
        rounds = vectors * ceil_div(parts, self.config.arrays)
        return self._step("codebooks", rounds * self._access_ps(), self._access_counts(parts * vectors, elements))

    def work(self, share: RankingShare | CodingShare | SkippedShare) -> Work:
        """Return the steps: codebooks, sums of the entries and selection, or codebooks and the nearest centroid.

        Args:
            share: Queries that are ranked, new keys, or what is not computed.

        Returns:
            The steps, one after another.
        """
        if isinstance(share, SkippedShare):
            return self._step("skipped", 0, (("prediction.skipped_mac", share.macs),))
        config = self.config
        if isinstance(share, CodingShare):
            parts = share.kv_heads * config.subspaces * share.tokens
            written = (("prediction.code_bit", self.code_bits(share.kv_heads * share.tokens)),)
            steps = [self._codebooks(share.kv_heads, share.tokens, share.elements)]
            if config.readout == "adc":
                compared = parts * config.centroids
                steps.append(self._step("nearest", self._lanes_ps(compared), (("prediction.add", compared),)))
            return Sequence((*steps, self._step("codes", 0, written)))
        selected = share.rows * share.entries
        selection = self._step("selection", self._lanes_ps(selected), (("prediction.add", selected),))
        if share.exact:
            return selection
        vectors = share.rows * share.queries
        read = self.ranking_bits(share)
        counts = (("prediction.add", vectors * share.entries * config.subspaces), ("prediction.code_bit", read))
        return Sequence(
            (
                self._codebooks(share.kv_heads, vectors // share.kv_heads, share.elements),
                self._step("relevance", self._lanes_ps(vectors * share.entries), counts),
                selection,
            )
        )

    def ranking_bits(self, share: RankingShare) -> int:
        """Return the bits that the lanes read for a ranking.

        Args:
            share: The ranking.

        Returns:
            Bits of the codes of all entries, and of a row of the table for each part of each query.
        """
        vectors = share.rows * share.queries
        tables = self.table_bits(1) // self.config.centroids
        return self.code_bits(share.rows * share.entries) + vectors * tables

    def _step(self, label: str, duration_ps: int, counts: tuple[tuple[str, int], ...]) -> Step:
        return Step(self.name, self.name, label, duration_ps, counts)

    def latency_ps(self, share: RankingShare | CodingShare | SkippedShare) -> int:
        """Return the closed-form latency.

        Args:
            share: Queries that are ranked, new keys, or what is not computed.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/baselines.md, "HARDSEA".
        """
        config = self.config
        match share:
            case SkippedShare():
                return 0
            case RankingShare(exact=True):
                return to_ps(ceil_div(share.rows * share.entries, config.lanes) / config.clock_hz)
            case RankingShare():
                vectors, passes = share.rows * share.queries // share.kv_heads, (share.rows * share.queries, share.rows)
                cycles = [ceil_div(each * share.entries, config.lanes) for each in passes]
            case CodingShare():
                compared = share.kv_heads * config.subspaces * share.tokens * config.centroids
                vectors, cycles = share.tokens, [ceil_div(compared, config.lanes)] if config.readout == "adc" else []
        rounds = vectors * -(-share.kv_heads * config.subspaces // config.arrays)
        if config.readout == "winner_take_all":
            access_s = ((1 << config.input_bits - 1) - 1) * config.pulse_s + config.winner_s
        else:
            access_s = config.pulse_s + -(-config.centroids // config.adcs) * config.conversion_s
            access_s *= config.input_bits - 1
        return rounds * to_ps(access_s) + sum(to_ps(each / config.clock_hz) for each in cycles)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energies of pulses, read-out, additions and codes.

        Returns:
            Joules per "cell_pulse", "winner_column" or "conversion", "add", "code_bit"; 0 for a "skipped_mac", which is
            counted so that a result says what was computed.

        Reference:
            The sources of the values are in configs/hardsea.yaml.
        """
        config = self.config
        return {
            "cell_pulse": config.cell_energy_j,
            "winner_column": config.winner_energy_j,
            "conversion": config.conversion_energy_j,
            "add": config.add_energy_j,
            "code_bit": config.code_energy_j_per_bit,
            "skipped_mac": 0.0,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the areas of arrays, read-out, lanes and their memory.

        Returns:
            Items in m^2.
        """
        config = self.config
        readout = (
            Area("winner-take-all circuits", config.winner_area_m2, config.arrays * (config.columns // 2))
            if config.readout == "winner_take_all"
            else Area("ADCs of codebooks", config.adc_area_m2, config.arrays * config.adcs)
        )
        return (
            Area("codebook arrays", config.array_area_m2, config.arrays),
            readout,
            Area("lanes of prediction", config.lane_area_m2, config.lanes),
            Area("memory of codes", config.code_memory_area_m2, 1),
        )

    def leakage_w(self) -> float:
        """Return the leakage power of the unit.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.unit_leakage_w
