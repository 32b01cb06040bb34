"""What is computed, where, and for whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pimsim.config.schema.quantities import Section

PROJECTION_ROLES = ("q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down")
MAX_CONTEXT_LENGTH = 1 << 20


class WorkloadConfig(Section):
    """What is computed: a model in a phase, or a trace file in its place."""

    model: str | None = Field(
        max_length=200, description="a model's name or alias, kjv-bitnet, or the path of a Hugging Face config.json"
    )
    trace: str | None = Field(max_length=4096, description="a trace file in place of model, phase and context_length")
    phase: Literal["decode", "prefill", "generate"] = Field(
        description="decode: one token at context_length; prefill: the prompt_length tokens of a prompt at once; "
        "generate: a prefill, then new_tokens decode steps with a growing KV cache"
    )
    context_length: int = Field(
        ge=1, le=MAX_CONTEXT_LENGTH, description="decode: KV-cache entries that the token attends to, its own included"
    )
    prompt_length: int = Field(ge=1, le=MAX_CONTEXT_LENGTH, description="prefill and generate: tokens of the prompt")
    new_tokens: int = Field(ge=1, le=MAX_CONTEXT_LENGTH, description="generate: tokens after the prompt")
    samples: int | None = Field(
        ge=2,
        le=MAX_CONTEXT_LENGTH,
        description="generate: decode steps to simulate, the others interpolated; null: all",
    )
    batch: int = Field(ge=1, le=1 << 16, description="sequences at once, all of the same length")
    embedding: bool = Field(description="include the look-up of the token's embedding")
    lm_head: bool = Field(description="include the final norm and the projection to the vocabulary (W8A8)")
    d_ff: int | None = Field(ge=1, le=1 << 20, description="another FFN width than the model's own")
    gated: bool | None = Field(description="another FFN form than the model's own: gated (three matrices) or plain")

    @model_validator(mode="after")
    def _one_source(self) -> WorkloadConfig:
        if self.model is None and self.trace is None:
            raise ValueError("either model or trace must be given")
        if self.phase == "generate" and self.prompt_length + self.new_tokens > MAX_CONTEXT_LENGTH:
            raise ValueError(f"prompt_length + new_tokens must be at most {MAX_CONTEXT_LENGTH}")
        return self


class MappingConfig(Section):
    """Which part of the chip computes what, and where weights lie."""

    projections: Literal["crossbar", "systolic"] = Field(description="where 1-bit projections are computed")
    provisioning: Literal["whole_model", "per_layer", "swap"] = Field(
        description="whole_model: every layer has its tiles in the machine's banks, and too few are an error; "
        "swap: the layers that do not fit take turns in what is left of the last chip, programmed before each use; "
        "per_layer: each placement group has a mesh of its own, as PIM-LLM counts"
    )
    placement_groups: Annotated[
        tuple[Annotated[tuple[str, ...], Field(min_length=1, strict=False)], ...], Field(min_length=1, strict=False)
    ] = Field(
        description="projections placed one after another on one mesh; each hands its output to the next of its group"
    )
    attention_slices: int = Field(
        ge=1,
        le=1 << 16,
        description="groups of heads that overlap under the dataflow schedule, at most one per KV head",
    )
    vector_chunks: int = Field(
        ge=1,
        le=1 << 16,
        description="chunks of a batch of vectors that follow one another through a matrix's tiles and "
        "mesh under the dataflow schedule, at most",
    )
    stream_buffers: int = Field(
        ge=1,
        le=1 << 16,
        description="streamed operands (K or V of a slice, a matrix) in the global buffer per systolic array",
    )
    microbatches: int = Field(
        ge=1,
        le=1 << 12,
        description="parts of a batch that pass through the layers side by side, each layer's tiles serving one after "
        "another (pipelining over banks); batch must be a multiple",
    )
    input_buffer_vectors: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended: chunks of input vectors that the PE buffers of a matrix hold at a time, the one in use "
        "included; null: unlimited",
    )
    output_buffer_vectors: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended: chunks of output vectors that the tile buffers of a matrix hold at a time, until the "
        "mesh has taken them; null: unlimited",
    )
    kv_write_entries: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended: appends to the KV cache that a write buffer before the memory holds, so that attention "
        "need not wait for the memory; null: none, writes go straight to memory",
    )
    weight_storage_bits: int = Field(
        ge=1, le=16, description="bits per projection weight in off-chip memory, as the systolic array streams them"
    )

    @model_validator(mode="after")
    def _swapped_layers_serve_one_batch(self) -> MappingConfig:
        if self.microbatches > 1 and self.provisioning == "swap":
            raise ValueError("microbatches above 1 need layers that stay where they are: provisioning must not be swap")
        return self

    @model_validator(mode="after")
    def _groups_partition_the_roles(self) -> MappingConfig:
        roles = [role for group in self.placement_groups for role in group]
        unknown = sorted(set(roles) - set(PROJECTION_ROLES))
        if unknown:
            raise ValueError(
                f"placement_groups: unknown projection {unknown[0]!r}; known: {', '.join(PROJECTION_ROLES)}"
            )
        if sorted(roles) != sorted(PROJECTION_ROLES):
            raise ValueError(f"placement_groups must name each of {', '.join(PROJECTION_ROLES)} exactly once")
        return self


class AccuracyConfig(Section):
    """What `pimsim accuracy` and the metrics of that kind compute on the chip's arrays: a trained network, a text."""

    model: str | None = Field(
        min_length=1,
        max_length=4096,
        description="a folder with config.json, safetensors and tokenizer.json, or a shipped network by name; null: "
        "kjv-bitnet",
    )
    text: str | None = Field(
        min_length=1, max_length=4096, description="a UTF-8 file to be predicted; null: what kjv-bitnet never saw"
    )
    calibration: str | None = Field(
        min_length=1,
        max_length=4096,
        description="a UTF-8 file whose activations set calibrated ADC ranges; null: the one beside kjv-bitnet",
    )
    tokens: int = Field(
        ge=2, le=1 << 24, description="tokens of the text that are predicted, in windows spread evenly over it"
    )
    chips: int = Field(ge=1, le=10_000, description="chips that are made, each with a seed of its own")


class ServingConfig(Section):
    """How requests share the machine: what `pimsim serve` puts into each iteration (docs/serving.md)."""

    max_batch: int = Field(ge=1, le=4096, description="sequences in the machine at once, at most")
    policy: Literal["prefill_first", "decode_first", "mixed"] = Field(
        description="prefill_first: new prompts have iterations of their own, before the next decode step; "
        "decode_first: new requests wait until the batch is empty; mixed: prompts share iterations with decode steps"
    )
    prefill_tokens: int | None = Field(
        ge=1,
        le=MAX_CONTEXT_LENGTH,
        description="prompt tokens of one iteration, at most; mixed cuts longer prompts into chunks, under the other "
        "policies one goes alone; null: as many as there are",
    )
    kv_capacity_bytes: int | None = Field(
        ge=1,
        le=1 << 50,
        description="memory for KV caches; a request waits until all that its own will need is free; null: no limit",
    )
    max_simulated_steps: int = Field(
        ge=1,
        le=1_000_000,
        description="dataflow schedule: distinct iterations that are simulated as they are, before others are "
        "interpolated; the serial schedule needs no limit",
    )
