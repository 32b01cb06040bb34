"""Keys of a config that have no effect beside other keys, such as the number of banks where each group has its own.

Each rule says which keys have no effect, when, and why. The rules hold for every figure of a run; tests change each key
and compare the results. A key that no rule names may have no effect either, for example one of a component that the
workload does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pimsim.config.attention_rules import ATTENTION_RULES, PREDICTION_NUMBERS
from pimsim.config.circuit_rules import CIRCUIT_RULES, CIRCUITS_OF_RUNS
from pimsim.config.correction_rules import CORRECTION_RULES
from pimsim.config.kv_rules import KV_RULES
from pimsim.config.kv_tier_rules import KV_TIER_RULES
from pimsim.config.kv_tier_rules import when as _when
from pimsim.config.model_rules import MODEL_RULES
from pimsim.config.processor_rules import PROCESSOR_RULES
from pimsim.config.schema import Config
from pimsim.config.serving_rules import SERVING_RULES
from pimsim.config.transpim_rules import TRANSPIM_RULES

_ARRAY = "machine.crossbar.pair.array"
_ADC = "machine.crossbar.pair.adc"
_INTEGRATION = "machine.crossbar.pair.sensing.integration"
_NUMERICS = (
    "machine.crossbar.pair.dac.level_error",
    *(f"{_ADC}.{key}" for key in ("range_coverage", "offset_lsb", "gain_error", "inl_lsb", "noise_lsb")),
    "machine.crossbar.pair.noise.read.",
    "machine.crossbar.pair.noise.telegraph.",
)
_UNTIMED = (
    (_NUMERICS, "only the estimate of noise depends on it; pimsim array and pimsim accuracy compute with it"),
    (("machine.crossbar.pair.wires.attenuates_noise",), "pimsim array and pimsim accuracy compute with it"),
    (PREDICTION_NUMBERS, "it changes which entries are kept, not how many; pimsim accuracy computes with it"),
)
_LENGTHS = ("workload.context_length", "workload.prompt_length", "workload.new_tokens")


@dataclass(frozen=True, slots=True)
class Rule:
    """Keys without effect.

    Attributes:
        keys: Dotted keys; one that ends in a dot stands for all keys below it.
        because: Returns why the keys have no effect in a config; empty if they have one.
        depends_on: Keys on which that depends.
        at_one_number: Whether the keys have an effect at all but one value of a number in `depends_on`. Then a loop
            over this number that also sets the keys may pass through this value.
    """

    keys: tuple[str, ...]
    because: Callable[[Config], str]
    depends_on: tuple[str, ...]
    at_one_number: bool = False

    def names(self, key: str) -> bool:
        """Return whether the rule is about a key.

        Args:
            key: Dotted key.

        Returns:
            True if it is one of `keys`, or below one of them.
        """
        return any(key.startswith(each) if each.endswith(".") else key == each for each in self.keys)


def _phase(*names: str) -> Callable[[Config], bool]:
    return lambda config: config.workload.trace is None and config.workload.phase in names


def _loading(config: Config) -> bool:
    return config.workload.phase == "load"


def _uncontended(config: Config) -> bool:
    return config.schedule != "contended"


def _no_crossbars(config: Config) -> bool:
    return config.mapping.projections != "crossbar"


def _separate_meshes(config: Config) -> bool:
    return not _no_crossbars(config) and config.mapping.provisioning == "per_layer"


def _whole_packets(config: Config) -> bool:
    return config.machine.mesh is not None and config.machine.mesh.switching == "store_and_forward"


def _shared_columns(config: Config) -> bool:
    return config.machine.crossbar is not None and config.machine.crossbar.pair.array.columns_per_adc is not None


def _one_resolution(config: Config) -> bool:
    if config.machine.crossbar is None:
        return False
    pair = config.machine.crossbar.pair
    integration = pair.sensing.integration
    narrowed = integration is not None and integration.narrow_later_phases
    return pair.adc.energy_bits in (None, pair.adc.bits) and not narrowed


RULES: tuple[Rule, ...] = (
    Rule(
        (
            *("workload.model", *_LENGTHS, "workload.samples", "workload.batch", "workload.embedding"),
            *("workload.lm_head", "workload.quantisation", "workload.kv.", "workload.d_ff", "workload.gated"),
            *("workload.mla", "workload.routing.", "workload.stored_tokens"),
        ),
        _when(
            lambda config: config.workload.trace is not None,
            "workload.trace gives the ops, with their model, length and batch; write another trace (pimsim trace "
            "make), or leave the trace out (workload.trace=null)",
        ),
        ("workload.trace",),
    ),
    Rule(
        ("workload.phase",),
        _when(
            lambda config: config.workload.trace is not None and not _loading(config),
            "workload.trace gives the ops; of the phases, only load is of a trace, too",
        ),
        ("workload.trace",),
    ),
    Rule(
        (
            *("workload.context_length", "workload.prompt_length", "workload.new_tokens", "workload.samples"),
            *("workload.batch", "mapping.masked_folds"),
        ),
        _when(_loading, "workload.phase=load loads the weights once, before there are tokens"),
        ("workload.phase",),
    ),
    Rule(
        ("workload.prompt_length",),
        _when(
            _phase("decode"),
            "workload.phase=decode reads one token at workload.context_length (--context); prompts are of the phases "
            "prefill and generate (--phase)",
        ),
        ("workload.phase", "workload.trace"),
    ),
    Rule(
        ("workload.new_tokens", "workload.samples"),
        lambda config: (
            f"workload.phase={config.workload.phase} is a single run; only the phase generate has several tokens "
            "(--phase generate)"
            if _phase("decode", "prefill")(config)
            else ""
        ),
        ("workload.phase", "workload.trace"),
    ),
    Rule(
        ("workload.context_length",),
        lambda config: (
            f"workload.phase={config.workload.phase} starts with an empty KV cache and takes workload.prompt_length "
            "(--prompt)"
            if _phase("prefill", "generate")(config)
            else ""
        ),
        ("workload.phase", "workload.trace"),
    ),
    Rule(
        ("mapping.masked_folds",),
        _when(_phase("decode"), "workload.phase=decode has no causal mask: its token attends to every entry"),
        ("workload.phase", "workload.trace"),
    ),
    *(Rule(*each) for each in (*KV_RULES, *MODEL_RULES, *ATTENTION_RULES, *PROCESSOR_RULES, *TRANSPIM_RULES)),
    Rule(
        ("machine.crossbar.banks",),
        _when(
            _separate_meshes,
            "mapping.provisioning=per_layer gives each placement group a mesh of its own; banks are of whole_model and "
            "swap",
        ),
        ("mapping.provisioning", "mapping.projections"),
    ),
    Rule(
        ("mapping.replicas.budget_tiles",),
        _when(
            lambda config: config.mapping.replicas.search == "none",
            "mapping.replicas.search=none has the stated numbers of replicas (balanced searches them)",
        ),
        ("mapping.replicas.search",),
    ),
    Rule(
        ("machine.chips.link.",),
        _when(lambda config: config.machine.chips.count == 1, "machine.chips.count=1 has no link between chips"),
        ("machine.chips.count",),
        at_one_number=True,
    ),
    Rule(
        ("mapping.attention_slices", "mapping.vector_chunks", "mapping.stream_buffers"),
        _when(
            lambda config: config.schedule == "serial" and config.mapping.microbatches == 1,
            "schedule=serial overlaps no ops (--schedule dataflow does)",
        ),
        ("schedule", "mapping.microbatches"),
    ),
    Rule(
        (
            *("mapping.input_buffer_vectors", "mapping.output_buffer_vectors", "mapping.kv_write_entries"),
            *(f"machine.mesh.{key}" for key in ("links", "input_buffer_packets", "arbitration", "local_bandwidth_bps")),
        ),
        _when(_uncontended, "only schedule=contended has finite links and buffers (--schedule contended)"),
        ("schedule",),
    ),
    Rule(
        ("machine.sram.banks",),
        _when(
            lambda config: config.machine.sram.ports in (None, 1),
            "machine.sram.ports=1 and null have no accesses that conflict in a bank",
        ),
        ("machine.sram.ports",),
        at_one_number=True,
    ),
    Rule(
        ("machine.mesh.flit_bits",),
        _when(_whole_packets, "machine.mesh.switching=store_and_forward forwards whole packets"),
        ("machine.mesh.switching",),
    ),
    Rule(
        (
            "machine.systolic.node_nm",
            "machine.vector.node_nm",
            "machine.crossbar.digital.node_nm",
            "machine.mesh.wire_node_nm",
            "machine.mesh.router_node_nm",
        ),
        _when(
            lambda config: config.machine.technology_nm is None,
            "machine.technology_nm=null scales no constants to another node",
        ),
        ("machine.technology_nm",),
    ),
    Rule(
        ("mapping.weight_storage_bits",),
        _when(
            lambda config: config.mapping.projections == "crossbar" and config.workload.trace is None,
            "mapping.projections=crossbar streams no weights of projections; ternary_storage_bits are those of swapped "
            "ones",
        ),
        ("mapping.projections", "workload.trace"),
    ),
    *(Rule(*each) for each in (*CIRCUIT_RULES, *CORRECTION_RULES, *KV_TIER_RULES, *SERVING_RULES)),
    Rule(
        (f"{_ARRAY}.adcs",),
        _when(_shared_columns, f"{_ARRAY}.columns_per_adc gives the number of ADCs; set it to null for adcs"),
        (f"{_ARRAY}.columns_per_adc",),
    ),
    Rule(
        (f"{_ADC}.series",),
        _when(_one_resolution, f"{_ADC}.energy_bits is the resolution of the ADC itself"),
        (f"{_ADC}.bits", f"{_ADC}.energy_bits", f"{_INTEGRATION}.narrow_later_phases"),
        at_one_number=True,
    ),
)
"""Rules that hold for all commands. The key of a rule has no effect as long as the rule gives a reason."""

ELSEWHERE: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "run": (
        (("serving.",), "pimsim serve reads it"),
        (("accuracy.",), "pimsim accuracy reads it"),
        *_UNTIMED,
    ),
    "serve": (
        (
            ("workload.phase", *_LENGTHS, "workload.samples", "workload.batch"),
            "requests have lengths of their own, and serving.max_batch limits the batch",
        ),
        (("accuracy.",), "pimsim accuracy reads it"),
        *_UNTIMED,
    ),
    "array": (
        (
            ("workload.", "mapping.", "serving.", "accuracy.", "schedule", "leakage_gating", "operations_per_mac"),
            "pimsim array multiplies one matrix on arrays; pimsim run simulates a workload",
        ),
        (
            (
                *(
                    f"machine.{each}."
                    for each in ("chips", "systolic", "mesh", "controller", "vector", "sram", "memory")
                ),
                *(f"machine.{each}{dot}" for each in ("near_memory", "sram_cim", "prediction") for dot in ("", ".")),
                *("machine.roofline", "machine.roofline."),
                *("machine.rom", "machine.rom.", "machine.dram_pim", "machine.dram_pim."),
                *(f"machine.crossbar.{each}." for each in ("digital", "pe_buffer", "tile_buffer", "staging")),
                *("machine.crossbar.banks", "machine.crossbar.activity", "machine.crossbar.tile_outputs"),
                *("machine.host", "machine.kv_tiers"),
                *(f"machine.crossbar.{key}" for key in ("pes_per_tile", "output_bits", "intra_tile_bandwidth_bps")),
            ),
            "pimsim array multiplies one matrix on arrays, without the rest of the machine",
        ),
        (
            CIRCUITS_OF_RUNS,
            "pimsim array counts the energy of cells, DACs and ADCs; pimsim run counts this circuit",
        ),
        ((f"{_INTEGRATION}.",), "pimsim array refuses sensing.integration"),
    ),
    "accuracy": (
        (("serving.",), "pimsim serve reads it"),
        ((f"{_INTEGRATION}.",), "pimsim accuracy refuses sensing.integration"),
    ),
}
"""Keys that change no figure of a command, with the reason."""


def ineffective_keys(config: Config, keys: Iterable[str]) -> dict[str, str]:
    """Find keys that have no effect in a config.

    Args:
        config: The config.
        keys: Dotted keys to check.

    Returns:
        Reason for each key without effect, by key.
    """
    reasons = [(rule, reason) for rule in RULES if (reason := rule.because(config))]
    found = ((key, next((reason for rule, reason in reasons if rule.names(key)), "")) for key in keys)
    return {key: reason for key, reason in found if reason}


def is_step_of_loop(config: Config, key: str, given: Iterable[str]) -> bool:
    """Return whether a key has no effect only at this value of a number that the user sets beside it.

    For example, an ADC's `series` has no effect where its `bits` are those of its own design. A loop over `bits` that
    names a series with each of them means no mistake there.

    Args:
        config: The config with all settings.
        key: A key without effect.
        given: Keys that the user sets.

    Returns:
        True if the rule about the key has `at_one_number`, and one of the keys that it depends on is given.
    """
    set_by_user = set(given)
    rules = [rule for rule in RULES if rule.names(key) and rule.because(config)]
    return all(rule.at_one_number and set_by_user.intersection(rule.depends_on) for rule in rules)


def keys_of_other_commands(command: str, keys: Iterable[str]) -> dict[str, str]:
    """Find keys that change no figure of a command.

    Args:
        command: Name of the command.
        keys: Dotted keys to check.

    Returns:
        Reason for each such key, by key.
    """
    rules = ((Rule(names, lambda config: "", ()), reason) for names, reason in ELSEWHERE.get(command, ()))
    return {key: reason for rule, reason in rules for key in keys if rule.names(key)}


def readers_of(key: str) -> tuple[str, ...]:
    """List the commands that read a key.

    Args:
        key: Dotted key of a value or a section.

    Returns:
        Names of commands of `ELSEWHERE`.
    """
    return tuple(command for command in ELSEWHERE if not keys_of_other_commands(command, (key, f"{key}.")))


def without_effect_in_sweep(config: Config, key: str, varied: Iterable[str]) -> str:
    """Say why the axis of a sweep has no effect at any of its points.

    Args:
        config: Base config of the sweep.
        key: Key that the axis sets.
        varied: Keys of all axes.

    Returns:
        The reason; empty if the axis has an effect, or may have one because another axis changes what it depends on.
    """
    changed = tuple(varied)
    for rule in RULES:
        above = [each for each in changed for on in rule.depends_on if on == each or on.startswith(f"{each}.")]
        if rule.names(key) and not above and (reason := rule.because(config)):
            return reason
    return ""
