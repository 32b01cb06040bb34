"""Specs of published decoder-only models by name, read from `data/models.csv`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

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
from workloads.latent import LatentShape
from workloads.mixture import ExpertShape
from workloads.nested_field import Nested
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
        experts: Mixture of experts that takes the place of the FFN; None means that there is none.
        latent: Multi-head latent attention, where `d_head` is the width of a query and `kv_heads` equals `heads`; None
            means that queries, keys and values have one width.
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
    experts: Annotated[ExpertShape | None, Optional(Nested(ExpertShape, "the shape of experts"))] = None
    latent: Annotated[LatentShape | None, Optional(Nested(LatentShape, "the shape of latents"))] = None
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
        """Number of projection weights of all layers, those of all experts and of routers included.

        Embedding, LM head, norms and biases are not counted.
        """
        return self._weights(0 if self.experts is None else self.experts.experts)

    @property
    def projection_macs_per_token(self) -> int:
        """Multiply-accumulate operations of all projections for one token, which uses each weight of its experts once.

        Expanded latent attention computes more: keys and values of all tokens of the context.
        """
        return self._weights(0 if self.experts is None else self.experts.per_token)

    def _weights(self, experts: int) -> int:
        """Return the number of projection weights of all layers with a number of experts in each MoE layer."""
        if self.latent is None:
            attention = self.d_model * (self.d_query + 2 * self.d_kv) + self.d_query * self.d_model
        else:
            attention = self.latent.weights(self.d_model, self.heads)
        width = (3 if self.gated else 2) * self.d_model
        mixture, mixed = self.experts, 0
        total = self.layers * attention
        if mixture is not None:
            mixed = mixture.expert_layers(self.layers)
            hidden = experts * mixture.d_expert + (mixture.d_shared or 0)
            total += mixed * (width * hidden + self.d_model * (mixture.experts + mixture.shared_gate))
        return total + (self.layers - mixed) * width * self.d_ff

    @property
    def kv_entries_per_token(self) -> int:
        """Elements that one token adds to the KV caches of all layers: keys and values, or the latent and its key."""
        return self.layers * (2 * self.d_kv if self.latent is None else self.latent.cached)

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
    def cached_heads(self) -> int:
        """KV heads of a layer's cache: one with latent attention."""
        return self.kv_heads if self.latent is None else 1

    @property
    def cached_parts(self) -> tuple[tuple[Literal["key", "value"], int], ...]:
        """What the cache keeps of a head and token: format and elements, of key and value, or of latent and key."""
        if self.latent is None:
            return ("key", self.d_head), ("value", self.d_head)
        return (("key", self.latent.cached),)

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
        of_entry = 2 * self.kv_heads * (self.d_head * bits + step_bits)
        if self.latent is not None:  # the latent and the rotated key have one step together
            of_entry = self.latent.cached * bits + step_bits
        return -(-of_entry * self.entries(context) // 8)

    def notes_at(self, context: int) -> tuple[str, ...]:
        """Return the notes of results at a context: `notes`, and those on experts and on learned positions.

        Args:
            context: Largest number of tokens of a sequence.

        Returns:
            One sentence per feature of the model that the figures do not describe.
        """
        notes = self.notes if self.experts is None else (*self.notes, self.experts.routing.note)
        if self.positions is None or context <= self.positions:
            return notes
        beyond = f"the model has learned positions for {self.positions:,} tokens, and the context is {context:,}"
        return (*notes, f"{beyond}: the figures are those of the same model with a longer table of positions")

    def cross_problems(self) -> Iterator[str]:
        """Check heads, windows, rotated elements, shared norm, latents and experts; see `Checked.cross_problems`.

        Yields:
            A message if `heads` is not a multiple of `kv_heads`, one if `window` has more values than layers, one if
            `d_rotary` exceeds `d_head`, one if `shared_norm` is set without `parallel` or with norms after attention,
            and those of latents and experts that do not match the other fields.
        """
        if self.heads % self.kv_heads:
            yield f"heads must be a multiple of kv_heads, not {self.heads} with {self.kv_heads}"
        if isinstance(self.window, tuple) and len(self.window) > self.layers:
            yield f"window must not have more values than the model has layers, {self.layers}, not {len(self.window)}"
        if self.d_rotary is not None and self.d_rotary > self.d_head:
            yield f"d_rotary must be at most d_head, {self.d_head}, not {self.d_rotary}"
        if self.latent is not None:
            yield from self._latent_problems(self.latent)
        if self.experts is not None and not self.experts.expert_layers(self.layers):
            yield f"experts.dense_layers must leave one of the {self.layers} layers with experts"
        if self.shared_norm and (not self.parallel or self.norm_order != "before"):
            yield "shared_norm needs parallel attention and FFN, and norms before them"

    def _latent_problems(self, latent: LatentShape) -> Iterator[str]:
        if self.d_head != latent.d_query:
            parts = f"d_nope + d_rope = {latent.d_nope} + {latent.d_rope} = {latent.d_query}"
            yield f"d_head must be {parts} of the latent attention, not {self.d_head}"
        if self.kv_heads != self.heads:
            yield f"kv_heads must be heads, {self.heads}, with latent attention, not {self.kv_heads}"
        for name, found, only in (
            ("window", self.window, None),
            ("qk_norms", self.qk_norms, "none"),
            ("position", self.position, "rotary"),
            ("d_rotary", self.d_rotary, None),
            ("sub_norms", self.sub_norms, False),
            ("projection_norms", self.projection_norms, False),
        ):
            if found != only:
                yield f"{name} must be {only} with latent attention, not {found}"


@cache
def load_models() -> Mapping[str, ModelSpec]:
    """Load the specs of all shipped models from `data/models.csv`.

    Returns:
        Read-only mapping from name to spec, in the order of the file.
    """
    from csv import DictReader

    text = Path(__file__).with_name("data").joinpath("models.csv").read_text(encoding="utf-8")
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
        qk_norms=row["qk_norms"] or "none",
        experts=ExpertShape(**_sizes(row["experts"])) if row["experts"] else None,
        latent=LatentShape(**_sizes(row["latent"])) if row["latent"] else None,
        notes=tuple(text.strip() for text in row["notes"].split(";") if text.strip()),
        source=row["source"],
        confidence=row["confidence"],
    )


def _sizes(text: str) -> dict[str, Any]:
    """Return the fields of a column such as "experts=8 per_token=2"; a range of layers is written 0-2."""
    pairs = (item.split("=") for item in text.split())
    sizes: dict[str, Any] = {key: int(value) for key, value in pairs if key != "dense_layers"}
    if "dense_layers=" in text:
        first, _, last = text.partition("dense_layers=")[2].split()[0].partition("-")
        sizes["dense_layers"] = tuple(range(int(first), int(last or first) + 1))
    if "shared_gate" in sizes:
        sizes["shared_gate"] = bool(sizes["shared_gate"])
    return sizes
