"""Decoder-only model specs by name, read from ``data/models.csv``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated

from workloads.checked_fields import Boolean, Checked, Integer, Name, Names, OneOf, Text, require, shorten, suggest
from workloads.ops import BITS, ActivationKind, NormKind
from workloads.workload_errors import UnknownModelError

Layers = Annotated[int, Integer(1, 10_000)]
Heads = Annotated[int, Integer(1, 2**16)]
Width = Annotated[int, Integer(1, 2**24)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec(Checked):
    """The shape of a decoder-only transformer; what a trace is made from.

    ``dataclasses.replace(spec, d_ff=...)`` gives a changed shape, checked again. Wrong values raise `SpecError`.

    Attributes:
        name, aliases: how `find_model` finds it, lower case.
        layers: decoder layers.
        heads, kv_heads: query heads, and the K/V heads they share (equal: MHA; fewer: GQA; one: MQA).
        d_model, d_head, d_ff: elements of the residual stream, of one head, of the FFN's inside.
        vocab: rows of the embedding table.
        gated: FFN of three matrices, down(activation(gate(x)) * up(x)), instead of down(activation(up(x))).
        norm, activation, position: which kind of each.
        sub_norms: the extra norms of BitNet b1.58 before o_proj and ffn_down.
        parallel: attention and FFN both read the block's input (GPT-NeoX), instead of one after the other.
        source: where the shape is published.
        confidence: A read in the published config, B from working notes, R from memory.

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
    position: Annotated[str, OneOf(("learned", "rotary"))]
    sub_norms: Annotated[bool, Boolean()] = False
    parallel: Annotated[bool, Boolean()] = False
    source: Annotated[str, Text()] = ""
    confidence: Annotated[str, OneOf(("A", "B", "R"))] = "R"

    @property
    def d_query(self) -> int:
        """Elements of all heads' queries, and of what attention puts out, for one token."""
        return self.heads * self.d_head

    @property
    def d_kv(self) -> int:
        """Elements of all KV heads' keys (or values) for one token and layer."""
        return self.kv_heads * self.d_head

    @property
    def projection_weights(self) -> int:
        """Weights of the projections of all layers; embedding, LM head, norms and biases left out."""
        attention = self.d_model * (self.d_query + 2 * self.d_kv) + self.d_query * self.d_model
        ffn = (3 if self.gated else 2) * self.d_model * self.d_ff
        return self.layers * (attention + ffn)

    @property
    def projection_macs_per_token(self) -> int:
        """Multiply-accumulates of all layers' projections for one token: each weight is used once."""
        return self.projection_weights

    @property
    def kv_entries_per_token(self) -> int:
        """Elements of K and V that one token leaves in the caches of all layers."""
        return 2 * self.layers * self.d_kv

    def kv_bytes_per_token(self, bits: int = 8) -> int:
        """Bytes that one token takes in the KV caches of all layers, at ``bits`` per element."""
        require("bits", bits, BITS)
        return -(-self.kv_entries_per_token * bits // 8)

    def cross_problems(self) -> Iterator[str]:
        """Heads share KV heads evenly."""
        if self.heads % self.kv_heads:
            yield f"heads must be a multiple of kv_heads, not {self.heads} with {self.kv_heads}"


@cache
def load_models() -> Mapping[str, ModelSpec]:
    """Return every model of the data file by name, in the file's order. Read once; read-only."""
    from csv import DictReader
    from importlib.resources import files

    text = files("workloads").joinpath("data", "models.csv").read_text(encoding="utf-8")
    rows = DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return MappingProxyType({row["name"]: _spec(row) for row in rows})


def find_model(name: str) -> ModelSpec:
    """Return the model called ``name``, a name or an alias in any case; else raise `UnknownModelError`."""
    names = {alias: spec for spec in load_models().values() for alias in (spec.name, *spec.aliases)}
    spec = names.get(name.strip().lower()) if isinstance(name, str) else None
    if spec is None:
        listed = f"`pimsim models` lists all {len(load_models())}"
        raise UnknownModelError(f"unknown model {shorten(name)}{suggest(name, names)}; {listed}")
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
        sub_norms=flags[row["sub_norms"]],
        parallel=flags[row["parallel"]],
        source=row["source"],
        confidence=row["confidence"],
    )
