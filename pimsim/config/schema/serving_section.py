"""Sections of serving: the batch, the memory of the KV caches, service levels, and speculative decoding."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pimsim.config.schema.kv_tier_section import KvTierConfig
from pimsim.config.schema.quantities import Positive, Section
from pimsim.config.schema.registered_names import PolicyName

MAX_PROMPT_TOKENS = 1 << 20


class SpeculationConfig(Section):
    """Speculative decoding: tokens that something cheaper drafts are verified by one step (docs/serving.md)."""

    method: Literal["draft", "ngram"] | None = Field(
        description="draft: a small model drafts the tokens, one step of the same machine each; ngram: they are copied "
        "from the prompt or the output so far, which takes no time of the machine; null: no speculation"
    )
    tokens: int = Field(
        ge=1, le=64, description="drafted tokens per step of a sequence; one more is verified with them"
    )
    acceptance: float = Field(
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="probability that a drafted token is accepted if all before it were; draws are independent",
    )
    draft_model: str | None = Field(
        min_length=1,
        max_length=4096,
        description="model that drafts, as workload.model; its steps run on the same machine; null: none (ngram)",
    )
    seed: int = Field(ge=0, le=2**63 - 1, description="seed of the draws; each request has draws of its own")


class ServingConfig(Section):
    """Scheduling of requests by `pimsim serve`: which work is in each iteration (docs/serving.md)."""

    max_batch: int = Field(ge=1, le=4096, description="largest number of sequences in the machine at once")
    policy: PolicyName = Field(
        description="prefill_first: prompts of new requests have separate iterations, before the next decode step; "
        "decode_first: new requests wait until the batch is empty; mixed: prompts share iterations with decode steps; "
        "priority, deadline: as mixed, but the request with the smallest priority number or the earliest deadline is "
        "admitted first and preempted last; others by plugin (docs/extending.md)"
    )
    prefill_tokens: int | None = Field(
        ge=1,
        le=MAX_PROMPT_TOKENS,
        description="largest number of prompt tokens in one iteration. A longer prompt is split into chunks under "
        "mixed, priority and deadline, and has an iteration of its own under the other policies; null: no limit",
    )
    decodes_in_budget: bool = Field(
        description="whether prefill_tokens also limits decode steps: each takes one token of it, and prompts get the "
        "rest, as in vLLM and Sarathi-Serve; under mixed, priority and deadline"
    )
    max_simulated_steps: int = Field(
        ge=1,
        le=1_000_000,
        description="dataflow schedule: largest number of distinct iterations to simulate; further ones are "
        "interpolated; the serial schedule needs no limit",
    )
    kv_block_tokens: int | None = Field(
        ge=1,
        le=1 << 16,
        description="tokens per block of the KV memory, which is allocated block by block while a sequence grows; "
        "null: the KV cache of a request is reserved for its whole length",
    )
    kv_watermark: float = Field(
        ge=0,
        lt=1,
        allow_inf_nan=False,
        description="fraction of all blocks that an admission leaves free, unless no request is admitted",
    )
    preemption: Literal["recompute", "swap"] = Field(
        description="what a request loses that has to give its blocks back, because a sequence needs one and none is "
        "free. recompute: its KV entries, which are computed again; swap: nothing, they are moved to swap_tier and back"
    )
    swap_tier: KvTierConfig | None = Field(
        description="memory that holds swapped KV caches, as a tier of machine.kv_tiers: a preset such as ddr5, or own "
        "figures; null: none"
    )
    prefix_sharing: bool = Field(
        description="whether requests share the full blocks of equal prefixes, by the hashes of a trace: they are "
        "stored once, and computed once while they are kept"
    )
    prefix_hash_tokens: int | None = Field(
        ge=1,
        le=MAX_PROMPT_TOKENS,
        description="prompt tokens per hash of a request; null: as the trace states, or 512",
    )
    slo_ttft_s: Positive | None = Field(
        le=1e9, description="service level: longest time to first token of a request that has none; null: no limit"
    )
    slo_tpot_s: Positive | None = Field(
        le=1e9, description="service level: longest mean time per later token of a request; null: no limit"
    )
    speculation: SpeculationConfig

    @property
    def step_tokens(self) -> int:
        """Largest number of new tokens of a decode step of a sequence: 1, and the drafted tokens."""
        return 1 if self.speculation.method is None else 1 + self.speculation.tokens

    @model_validator(mode="after")
    def _swaps_have_a_tier(self) -> Self:
        if self.preemption == "swap" and self.kv_block_tokens is None:
            raise ValueError(
                "preemption is 'swap', but whole KV caches are reserved, so that none is swapped; set kv_block_tokens, "
                "such as 16"
            )
        if self.preemption == "swap" and self.swap_tier is None:
            raise ValueError("preemption is 'swap', but swap_tier is null; name a tier, such as {preset: ddr5}")
        if self.swap_tier is not None and self.swap_tier.kind == "memory":
            raise ValueError("swap_tier must be a memory of its own, not machine.memory, from which caches are swapped")
        return self

    @model_validator(mode="after")
    def _prefixes_are_blocks(self) -> Self:
        if self.prefix_sharing and self.kv_block_tokens is None:
            raise ValueError("prefix_sharing shares blocks: kv_block_tokens must not be null, such as 16")
        return self

    @model_validator(mode="after")
    def _a_batch_fits_the_budget(self) -> Self:
        budget, least = self.prefill_tokens, self.max_batch * self.step_tokens
        if self.decodes_in_budget and budget is not None and budget < least:
            raise ValueError(
                f"decodes_in_budget needs prefill_tokens of at least {least:,}, not {budget:,}: those of a decode step "
                f"of max_batch sequences with {self.step_tokens} each"
            )
        return self

    @model_validator(mode="after")
    def _drafts_have_a_model(self) -> Self:
        if self.speculation.method == "draft" and self.speculation.draft_model is None:
            raise ValueError("speculation.method is 'draft', but speculation.draft_model is null; name a small model")
        return self
