"""Specs of published decoder-only models by name, read from `data/models.csv`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated

from workloads.checked_fields import (
    Boolean,
    Checked,
    Integer,
    Name,
    Names,
    OneOf,
    OneOrEach,
    Optional,
    Text,
    Texts,
    require,
    shorten,
)
from workloads.op_fields import BITS, STEP_BITS, ActivationKind, NormKind
from workloads.workload_errors import UnknownModelError

Layers = Annotated[int, Integer(1, 10_000)]
Heads = Annotated[int, Integer(1, 2**16)]
WIDTH = Integer(1, 2**24)
Width = Annotated[int, WIDTH]
ENTRIES = Integer(1, 2**40)
Window = int | None | tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec(Checked):
    """Shape of a decoder-only transformer, from which traces are made.

    `dataclasses.replace(spec, d_ff=...)` returns a changed shape, which is checked again.

    Attributes:
        name: Name for `find_model`, lower case.
        aliases: Other names for `find_model`, lower case.
        layers: Decoder layers.
        heads: Query heads.
        kv_heads: KV heads: as many as `heads` in multi-head attention, fewer in grouped-query attention (GQA), one in
            multi-query attention.
        d_model: Elements of the residual stream.
        d_head: Elements of one head.
        d_ff: Elements of the hidden layer of the FFN.
        vocab: Rows of the embedding table.
        gated: Whether the FFN has three matrices, down(activation(gate(x)) * up(x)), or two, down(activation(up(x))).
        norm: Kind of the norms, "layernorm" or "rmsnorm".
        activation: Activation function of the FFN.
        position: Kind of position embedding: "learned" or "rotary", or "alibi", a bias on each score (MPT).
        d_rotary: Elements of a head that the rotary embedding rotates, at most `d_head`; None means all of them.
        sub_norms: Whether there are norms before o_proj and ffn_down, as in BitNet b1.58.
        projection_norms: Whether each projection has an RMS norm of its own at its input, as in Falcon-E.
        parallel: Whether attention and FFN both read the input of the block (GPT-NeoX); otherwise the FFN reads the
            output of attention.
        shared_norm: Whether parallel attention and FFN read the output of one norm (GPT-J).
        norm_order: Place of the norms of attention and FFN: "before" them, "after" them and before the residual
            addition (OLMo 2), or "both" (Gemma 2).
        qk_norms: Norms of queries and keys before the rotary embedding: "none", one per head ("heads", Qwen3), or one
            over all heads ("whole", OLMo 2).
        score_cap: Whether scores pass a soft cap, c tanh(x / c), before the softmax (Gemma 2).
        logit_cap: Whether logits pass such a cap.
        window: Largest number of tokens that a token attends to, itself included (sliding-window attention); None
            means all of them. A tuple is a pattern that repeats over the layers: layer n has `window[n % len(window)]`.
        positions: Number of rows of the learned position embedding; None if positions are not learned, or if the number
            is not known.
        notes: Features of the model that its traces do not contain, one sentence each. Every result of the model
            repeats them.
        source: Publication of the shape.
        confidence: "A" if read from the published config, "B" if from working notes, "R" if from memory.

    Raises:
        SpecError: If a value is out of range, heads is not a multiple of kv_heads, the pattern of windows is longer
            than the model, more of a head is rotated than there is, or a shared norm does not fit the other fields.

    Reference:
        Windows: Beltagy et al., "Longformer", arXiv:2004.05150; Jiang et al., "Mistral 7B", arXiv:2310.06825. Order of
        norms: OLMo Team, arXiv:2501.00656; Gemma Team, arXiv:2408.00118, which also has the caps. Norms of queries and
        keys: Qwen Team, arXiv:2505.09388. ALiBi: Press et al., arXiv:2108.12409.
    """

    name: Annotated[str, Name()]
    aliases: Annotated[tuple[str, ...], Names()] = ()
    layers: Layers
    heads: Heads
    kv_heads: Heads
    d_model: Width
    d_head: Width
    d_ff: Width
    vocab: Width
    gated: Annotated[bool, Boolean()]
    norm: NormKind
    activation: ActivationKind
    position: Annotated[str, OneOf(("learned", "rotary", "alibi"))]
    d_rotary: Annotated[int | None, Optional(WIDTH)] = None
    sub_norms: Annotated[bool, Boolean()] = False
    projection_norms: Annotated[bool, Boolean()] = False
    parallel: Annotated[bool, Boolean()] = False
    shared_norm: Annotated[bool, Boolean()] = False
    norm_order: Annotated[str, OneOf(("before", "after", "both"))] = "before"
    qk_norms: Annotated[str, OneOf(("none", "heads", "whole"))] = "none"
    score_cap: Annotated[bool, Boolean()] = False
    logit_cap: Annotated[bool, Boolean()] = False
    window: Annotated[Window, OneOrEach(Optional(ENTRIES))] = None
    positions: Annotated[int | None, Optional(ENTRIES)] = None
    notes: Annotated[tuple[str, ...], Texts()] = ()
    source: Annotated[str, Text()] = ""
    confidence: Annotated[str, OneOf(("A", "B", "R"))] = "R"

    @property
    def d_query(self) -> int:
        """Elements of the queries of all heads for one token; the output of attention has as many."""
        return self.heads * self.d_head

    @property
    def d_kv(self) -> int:
        """Elements of the keys of all KV heads for one token and layer; the values have as many."""
        return self.kv_heads * self.d_head

    @property
    def projection_weights(self) -> int:
        """Number of projection weights of all layers; embedding, LM head, norms and biases are not counted."""
        attention = self.d_model * (self.d_query + 2 * self.d_kv) + self.d_query * self.d_model
        ffn = (3 if self.gated else 2) * self.d_model * self.d_ff
        return self.layers * (attention + ffn)

    @property
    def projection_macs_per_token(self) -> int:
        """Multiply-accumulate operations of all projections for one token; each weight is used once."""
        return self.projection_weights

    @property
    def kv_entries_per_token(self) -> int:
        """Elements of keys and values that one token adds to the KV caches of all layers."""
        return 2 * self.layers * self.d_kv

    def kv_bytes_per_token(self, bits: int = 8) -> int:
        """Return the size of one token's entries in the KV caches of all layers.

        Args:
            bits: Bits per element, from 1 to 64.

        Returns:
            Bytes, rounded up.

        Raises:
            SpecError: If `bits` is out of range.
        """
        require("bits", bits, BITS)
        return -(-self.kv_entries_per_token * bits // 8)

    @property
    def windows(self) -> tuple[int | None, ...]:
        """Window of each layer, in order; None means that the layer attends to all tokens."""
        pattern = self.window if isinstance(self.window, tuple) else (self.window,)
        return tuple(pattern[layer % len(pattern)] for layer in range(self.layers))

    def entries(self, context: int) -> int:
        """Return the number of tokens whose keys and values the KV caches of all layers hold, summed over the layers.

        A layer with a window keeps only the tokens within it, as a rolling buffer does.

        Args:
            context: Tokens of the sequence, at least 1.

        Returns:
            Tokens, summed over the layers; `layers * context` without windows.

        Reference:
            docs/model.md, eq. (45).
        """
        return sum(context if window is None else min(context, window) for window in self.windows)

    def kv_bytes(self, context: int, bits: int = 8, step_bits: int = 0) -> int:
        """Return the size of the KV caches of all layers for one sequence.

        Args:
            context: Tokens of the sequence, at least 1.
            bits: Bits per element, from 1 to 64.
            step_bits: Bits of the quantisation step of each key and value, from 0 to 64.

        Returns:
            Bytes, rounded up.

        Raises:
            SpecError: If `bits` or `step_bits` is out of range.

        Reference:
            docs/model.md, eq. (53).
        """
        require("bits", bits, BITS)
        require("step_bits", step_bits, STEP_BITS)
        return -(-2 * self.kv_heads * (self.d_head * bits + step_bits) * self.entries(context) // 8)

    def notes_at(self, context: int) -> tuple[str, ...]:
        """Return the notes of results at a context: `notes`, and one more if the context exceeds the learned positions.

        Args:
            context: Largest number of tokens of a sequence.

        Returns:
            One sentence per feature of the model that the figures do not describe.
        """
        if self.positions is None or context <= self.positions:
            return self.notes
        beyond = f"the model has learned positions for {self.positions:,} tokens, and the context is {context:,}"
        return (*self.notes, f"{beyond}: the figures are those of the same model with a longer table of positions")

    def cross_problems(self) -> Iterator[str]:
        """Check heads, the pattern of windows, rotated elements and the shared norm; see `Checked.cross_problems`.

        Yields:
            A message if `heads` is not a multiple of `kv_heads`, one if `window` has more values than layers, one if
            `d_rotary` exceeds `d_head`, and one if `shared_norm` is set without `parallel` or with norms after
            attention.
        """
        if self.heads % self.kv_heads:
            yield f"heads must be a multiple of kv_heads, not {self.heads} with {self.kv_heads}"
        if isinstance(self.window, tuple) and len(self.window) > self.layers:
            yield f"window must not have more values than the model has layers, {self.layers}, not {len(self.window)}"
        if self.d_rotary is not None and self.d_rotary > self.d_head:
            yield f"d_rotary must be at most d_head, {self.d_head}, not {self.d_rotary}"
        if self.shared_norm and (not self.parallel or self.norm_order != "before"):
            yield "shared_norm needs parallel attention and FFN, and norms before them"


@cache
def load_models() -> Mapping[str, ModelSpec]:
    """Load the specs of all shipped models from `data/models.csv`.

    Returns:
        Read-only mapping from name to spec, in the order of the file.
    """
    from csv import DictReader
    from importlib.resources import files

    text = files("workloads").joinpath("data", "models.csv").read_text(encoding="utf-8")
    rows = DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return MappingProxyType({row["name"]: _spec(row) for row in rows})


def find_model(name: str) -> ModelSpec:
    """Return the spec of a shipped model.

    Args:
        name: Name or alias of the model; case does not matter.

    Returns:
        Its spec.

    Raises:
        UnknownModelError: If no model has this name.
    """
    names = {alias: spec for spec in load_models().values() for alias in (spec.name, *spec.aliases)}
    spec = names.get(name.strip().lower()) if isinstance(name, str) else None
    if spec is None:
        listed = f"`pimsim models` lists all {len(load_models())}"
        from workloads.model_names import did_you_mean, similar_models  # needed only for this message

        similar = did_you_mean(similar_models(name, names))
        path = "; a config.json, or its folder, is given by its path"
        raise UnknownModelError(f"unknown model {shorten(name)}{similar}; {listed}{path}")
    return spec


def _spec(row: Mapping[str, str]) -> ModelSpec:
    flags = {"yes": True, "no": False}
    return ModelSpec(
        name=row["name"],
        aliases=tuple(row["aliases"].split()),
        layers=int(row["layers"]),
        heads=int(row["heads"]),
        kv_heads=int(row["kv_heads"]),
        d_model=int(row["d_model"]),
        d_head=int(row["d_head"]),
        d_ff=int(row["d_ff"]),
        vocab=int(row["vocab"]),
        gated=flags[row["gated"]],
        norm=row["norm"],
        activation=row["activation"],
        position=row["position"],
        d_rotary=int(row["d_rotary"]) if row["d_rotary"] else None,
        sub_norms=flags[row["sub_norms"]],
        parallel=flags[row["parallel"]],
        window=int(row["window"]) if row["window"] else None,
        positions=int(row["positions"]) if row["positions"] else None,
        notes=tuple(text.strip() for text in row["notes"].split(";") if text.strip()),
        source=row["source"],
        confidence=row["confidence"],
    )
