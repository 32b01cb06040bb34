"""Sections of the workload, of its mapping to the chip, of serving, and of accuracy."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from crossbar.encoding_params import WeightAlphabet
from pimsim.config.schema.experts_section import RoutingConfig
from pimsim.config.schema.kv_tier_section import KvPlacementConfig
from pimsim.config.schema.quantities import Section
from pimsim.config.schema.registered_names import KvBits, KvPolicyName, ScaleBits
from workloads.kv_cache import KvCacheSpec
from workloads.kv_entries import Scales
from workloads.latent import Form
from workloads.workload_errors import SpecError

PROJECTION_ROLES = ("q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down")
MATRIX_ROLES = (*PROJECTION_ROLES, "lm_head")
MAX_CONTEXT_LENGTH = 1 << 20
Replicas = Annotated[int, Field(ge=1, le=4096)]
MatrixPrecision = WeightAlphabet | Literal["systolic"] | None


class KvConfig(Section):
    """The KV cache: what it keeps, and in which formats; for time, energy, capacity and numbers (docs/kv-cache.md)."""

    key_bits: KvBits = Field(
        description="bits per element of a cached key: 16 is float16 without scales; others are codes with scales"
    )
    value_bits: KvBits = Field(description="bits per element of a cached value, as key_bits")
    key_scales: Scales = Field(
        description="what shares a scale of the keys. per_token: a step for each key of a head; per_group: a step and "
        "a zero point for group_size channels of a key; per_channel: a step and a zero point for each channel of "
        "group_size tokens, of which the newest incomplete group is float16"
    )
    value_scales: Scales = Field(description="what shares a scale of the values, as key_scales")
    group_size: int | None = Field(
        ge=2,
        le=4096,
        description="per_group: channels that share a scale, a divisor of the elements of a head; per_channel: tokens "
        "that share the scale of a channel; null: neither is used",
    )
    scale_bits: ScaleBits = Field(
        description="bits of a step, and of a zero point. 32: float32; 16: float16; 0: float32, which is not counted"
    )
    operand_bits: int = Field(
        ge=2,
        le=8,
        description="bits of the operands of attention on the array of integers: queries, attention weights, and "
        "cached entries that are converted when they are read (16 bits, per_group and per_channel); the inputs of "
        "projections have machine.crossbar.pair.encoding.activation_bits",
    )
    keep: KvPolicyName = Field(
        description="tokens that the cache keeps. all: every token; recent: sinks and the newest tokens; "
        "heavy_hitters: sinks, the newest tokens, and those that got the most attention, up to budget; random: sinks, "
        "the newest tokens, and random others, up to budget; others by plugin (docs/extending.md)"
    )
    sinks: int = Field(ge=0, le=1 << 20, description="first tokens of a sequence, which are always kept")
    recent: int | None = Field(
        ge=1,
        le=1 << 20,
        description="newest tokens that are always kept; null: half of the budget without sinks (heavy_hitters), or 1 "
        "(random); keep: recent needs a number",
    )
    budget: int | None = Field(
        ge=1,
        le=1 << 20,
        description="heavy_hitters and random: tokens that are kept in all, sinks and newest ones included",
    )
    seed: int = Field(ge=0, le=2**63 - 1, description="random: seed of the choice; which changes no time and no energy")

    @model_validator(mode="after")
    def _is_a_cache(self) -> Self:
        try:
            self.spec()
        except SpecError as error:
            raise ValueError(str(error).partition(": ")[2]) from error
        return self

    def spec(self) -> KvCacheSpec:
        """Return the section as the record from which all counts are taken.

        Returns:
            The record.
        """
        return KvCacheSpec(**self.model_dump())


class WorkloadConfig(Section):
    """The workload: a phase of a model, or a trace file."""

    model: str | None = Field(
        max_length=4096,
        description="name or alias of a model, kjv-bitnet, or path of a Hugging Face config.json or GGUF file",
    )
    trace: str | None = Field(max_length=4096, description="trace file that replaces model, phase and context_length")
    phase: Literal["decode", "prefill", "generate", "load"] = Field(
        description="decode: one token at context_length; prefill: all prompt_length tokens of a prompt at once; "
        "generate: a prefill, which computes the first new token, then a decode step for each of the others; load: "
        "the weights once, before the first token, also those of a trace file"
    )
    context_length: int = Field(
        ge=1, le=MAX_CONTEXT_LENGTH, description="decode: KV-cache entries that the token attends to, including its own"
    )
    prompt_length: int = Field(
        ge=1, le=MAX_CONTEXT_LENGTH, description="prefill and generate: number of tokens in the prompt"
    )
    new_tokens: int = Field(
        ge=1,
        le=MAX_CONTEXT_LENGTH,
        description="generate: number of tokens that are generated after the prompt; the prefill computes the first",
    )
    samples: int | None = Field(
        ge=2,
        le=MAX_CONTEXT_LENGTH,
        description="generate: number of decode steps to simulate; the others are interpolated; null: simulate all",
    )
    batch: int = Field(
        ge=1, le=1 << 16, description="number of sequences that are processed together, all of the same length"
    )
    embedding: bool = Field(description="include the look-up of the embedding of the token")
    lm_head: bool = Field(description="include the final normalization and the projection to the vocabulary (W8A8)")
    quantisation: bool = Field(
        description="include the passes that quantise the inputs of projections and of attention to 8 bits, and those "
        "that multiply their integer sums by the steps (W1A8, W8A8)"
    )
    kv: KvConfig
    mla: Form = Field(
        description="multi-head latent attention (DeepSeek-V2, V3). absorbed: attention reads the latents as keys and "
        "values of one head, after the matrices of the heads are multiplied into queries and sums; expanded: keys and "
        "values of all heads are computed from the latents of all kept tokens in each pass"
    )
    routing: RoutingConfig
    d_ff: int | None = Field(
        ge=1, le=1 << 20, description="width of the feed-forward network (FFN); null: that of the model"
    )
    gated: bool | None = Field(
        description="true: gated FFN (three matrices); false: plain FFN (two matrices); null: that of the model"
    )
    stored_tokens: int = Field(
        ge=0,
        lt=MAX_CONTEXT_LENGTH,
        description="prefill and generate: first tokens of the prompt whose keys and values a tier of machine.kv_tiers "
        "has from an earlier prompt (mapping.kv_tiers.stored_in). They are loaded and the others computed",
    )

    @property
    def loads_stored(self) -> bool:
        """Whether the run is a prefill that loads the keys and values of its first tokens."""
        return bool(self.stored_tokens) and self.phase == "prefill" and self.trace is None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.model is None and self.trace is None:
            raise ValueError("either model or trace must be given")
        if self.phase in ("prefill", "generate") and self.stored_tokens >= self.prompt_length:
            raise ValueError(
                f"stored_tokens={self.stored_tokens} must be below prompt_length={self.prompt_length}: the last token "
                "of a prompt is always computed, because its output is the first new token"
            )
        if self.phase == "generate" and self.prompt_length + self.new_tokens > MAX_CONTEXT_LENGTH:
            raise ValueError(f"prompt_length + new_tokens must be at most {MAX_CONTEXT_LENGTH}")
        return self


class MatrixPrecisionConfig(Section):
    """Precision of the weights of matrices on crossbars by role, beside that of the arrays and of the trace."""

    q: MatrixPrecision = Field(
        description="weights of the matrices of the queries on crossbars: an alphabet as of "
        "machine.crossbar.pair.encoding.weights; systolic: not on crossbars; null: those of 1 bit, and those of more "
        "bits that encoding.weights holds, are on crossbars with encoding.weights"
    )
    k: MatrixPrecision = Field(description="weights of the matrices of the keys, as q")
    v: MatrixPrecision = Field(description="weights of the matrices of the values, as q")
    o: MatrixPrecision = Field(description="weights of the output matrices of attention, as q")
    ffn_gate: MatrixPrecision = Field(description="weights of the gate matrices of FFNs, as q")
    ffn_up: MatrixPrecision = Field(description="weights of the first matrices of FFNs, as q")
    ffn_down: MatrixPrecision = Field(description="weights of the last matrices of FFNs, as q")
    lm_head: MatrixPrecision = Field(
        description="weights of the LM head on crossbars, as q; null: it is on crossbars only with 1-bit weights"
    )


class ReplicasConfig(Section):
    """Replicas: several sets of tiles that hold the same matrix and divide its vectors."""

    each: Replicas = Field(description="sets of tiles of every matrix on crossbars whose role states no number; 1: one")
    q: Replicas | None = Field(description="sets of tiles of the matrices of the queries; null: each")
    k: Replicas | None = Field(description="sets of tiles of the matrices of the keys; null: each")
    v: Replicas | None = Field(description="sets of tiles of the matrices of the values; null: each")
    o: Replicas | None = Field(description="sets of tiles of the output matrices of attention; null: each")
    ffn_gate: Replicas | None = Field(description="sets of tiles of the gate matrices of FFNs; null: each")
    ffn_up: Replicas | None = Field(description="sets of tiles of the first matrices of FFNs; null: each")
    ffn_down: Replicas | None = Field(description="sets of tiles of the last matrices of FFNs; null: each")
    lm_head: Replicas | None = Field(description="sets of tiles of the LM head, if it is on crossbars; null: each")
    search: Literal["none", "balanced"] = Field(
        description="balanced: from the numbers above, the matrices that take longest get one more, as long as the "
        "tiles suffice; roles that state a number, and the LM head, keep theirs"
    )
    budget_tiles: int | None = Field(
        ge=1, le=1 << 30, description="balanced: most tiles of all matrices together; null: those of the machine"
    )


class MappingConfig(Section):
    """Mapping of operations to components, and placement of the weights."""

    projections: Literal["crossbar", "systolic", "processor"] = Field(
        description="component of the projections whose weights crossbars hold; crossbar, systolic, or processor (all "
        "ops)"
    )
    provisioning: Literal["whole_model", "per_layer", "swap"] = Field(
        description="whole_model: all layers have their own tiles in the banks of the machine; too few tiles are an "
        "error; swap: layers that do not fit share the remaining tiles of the last chip, which are programmed again "
        "before each use; per_layer: each placement group has its own mesh, as in PIM-LLM"
    )
    placement_groups: Annotated[
        tuple[Annotated[tuple[str, ...], Field(min_length=1, strict=False)], ...], Field(min_length=1, strict=False)
    ] = Field(
        description="groups of projections that are placed consecutively on one mesh; each projection sends its "
        "output to the next one of its group"
    )
    matrix_precision: MatrixPrecisionConfig
    replicas: ReplicasConfig
    attention: Literal["systolic", "near_memory", "sram_cim", "processor"] = Field(
        description="component that multiplies queries with cached keys, and attention weights with cached values. "
        "near_memory, sram_cim: of the tokens of a decode step; a prefill stays on the systolic array. processor: the "
        "one that computes every op of the machine"
    )
    attention_slices: int = Field(
        ge=1,
        le=1 << 16,
        description="number of groups of attention heads that may overlap under the dataflow schedule, at most one "
        "per KV head",
    )
    vector_chunks: int = Field(
        ge=1,
        le=1 << 16,
        description="largest number of chunks into which a batch of vectors is split under the dataflow schedule; the "
        "chunks are pipelined through the tiles and the mesh of a matrix",
    )
    stream_buffers: int = Field(
        ge=1,
        le=1 << 16,
        description="number of streamed operands (K or V of a slice, or a matrix) in the global buffer per systolic "
        "array",
    )
    microbatches: int = Field(
        ge=1,
        le=1 << 12,
        description="number of microbatches into which a batch is split. They are pipelined through the layers: the "
        "tiles of a layer process one after another; batch must be a multiple",
    )
    input_buffer_vectors: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended schedule: chunks of input vectors that fit into the PE buffers of a matrix, including "
        "the one in use; null: unlimited",
    )
    output_buffer_vectors: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended schedule: chunks of output vectors that fit into the tile buffers of a matrix, where "
        "they wait for the mesh; null: unlimited",
    )
    kv_write_entries: int | None = Field(
        ge=1,
        le=1 << 20,
        description="contended schedule: KV-cache writes that fit into a write buffer before the memory, so that "
        "attention does not wait for the memory; null: no write buffer",
    )
    masked_folds: Literal["computed", "skipped"] = Field(
        description="attention of prompts. computed: the systolic array computes the whole rectangle of tokens by KV "
        "entries; skipped: only folds with at least one score that the causal mask and the window leave, and a softmax "
        "of such scores only"
    )
    weight_storage_bits: int = Field(
        ge=1,
        le=16,
        description="bits per projection weight in off-chip memory, from which the systolic array streams them; at "
        "least those of the packed weight (ternary_storage_bits)",
    )
    projection_activations: Literal["global_buffer", "memory", "memory_each_fold"] = Field(
        description="inputs and outputs of projections on the systolic array. global_buffer: they stay in the global "
        "buffer; memory: each projection loads its inputs from the off-chip memory and stores its outputs there; "
        "memory_each_fold: as memory, and under ws and is each fold over K stores its partial sums, one byte each, "
        "which nothing reads again (SCALE-Sim)"
    )
    ternary_storage_bits: float = Field(
        ge=1,
        le=8,
        allow_inf_nan=False,
        description="bits per ternary weight (encoding.weights: ternary) in off-chip memory, from which crossbars are "
        "loaded and swapped: 2 as files pack it, 1.6 with five weights per byte, at least log2(3); a binary weight "
        "takes 1",
    )
    processor_weight_bits: float | None = Field(
        ge=1,
        le=32,
        allow_inf_nan=False,
        description="projections=processor: bits per weight of the projections in memory, with their scales: 16 for "
        "FP16, 4.5 for Q4_0; null: those of the trace, 1-bit weights as weight_storage_bits",
    )
    processor_head_bits: float | None = Field(
        ge=1,
        le=32,
        allow_inf_nan=False,
        description="projections=processor: the same of the LM head; null: processor_weight_bits",
    )
    processor_activation_bits: int | None = Field(
        ge=1,
        le=32,
        description="projections=processor: bits per element of activations, with which it computes; null: 8, as the "
        "other machines",
    )
    kv_tiers: KvPlacementConfig

    @model_validator(mode="after")
    def _swapped_layers_serve_one_batch(self) -> Self:
        if self.microbatches > 1 and self.provisioning == "swap":
            raise ValueError("microbatches above 1 need layers that stay on their tiles: provisioning must not be swap")
        return self

    @model_validator(mode="after")
    def _groups_partition_the_roles(self) -> Self:
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
    """Accuracy of a trained network on the arrays of the chip: for `pimsim accuracy` and accuracy metrics of sweeps."""

    model: str | None = Field(
        min_length=1,
        max_length=4096,
        description="folder with config.json, safetensors and tokenizer.json, GGUF file, or name of a shipped network; "
        "null: kjv-bitnet",
    )
    weights: Literal["one_bit", "groups", "columns"] = Field(
        description="weights in the arrays. one_bit: codes of a 1-bit model as stored, any other model ternarised or "
        "binarised; groups: integers of a GGUF file (Q4_0, Q4_1, Q8_0) with a scale for each group of 32 inputs, whose "
        "rows are driven at once, and a minimum that multiplies the sum of the inputs; columns: rounded to the "
        "integers of the arrays with one scale per column"
    )
    text: str | None = Field(
        min_length=1,
        max_length=4096,
        description="UTF-8 file with the text to predict; null: the test text of kjv-bitnet",
    )
    calibration: str | None = Field(
        min_length=1,
        max_length=4096,
        description="UTF-8 file whose activations determine calibrated ADC ranges; null: the calibration text of "
        "kjv-bitnet",
    )
    tokens: int = Field(
        ge=2,
        le=1 << 24,
        description="number of tokens to predict, in windows that are evenly distributed over the text",
    )
    bos: bool = Field(
        description="begin each window with the BOS token if the tokenizer adds one to a text (LLaMA 3, BitNet 2B4T); "
        "an EOS token is never added"
    )
    chips: int = Field(ge=1, le=10_000, description="number of chips to simulate, each with its own random seed")
    sampled_layers: int | None = Field(
        ge=1,
        le=100_000,
        description="layers of each chip on arrays, drawn for each chip; the others are exact, and the increase "
        "of the likelihood is scaled to all layers, an estimate; null: all layers",
    )
