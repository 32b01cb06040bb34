"""Rules for the differences that are allowed between the two revisions, each with its reason.

Everything else must be equal. A path is one that `values.read_values` returns. A file is identified by the name of its
case, `run` or `read`, and its own name, such as `sweep/run/sweep.h5`. A pattern of paths is a regular expression that
must match the whole path; a pattern of files is a shell pattern.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tools.compare_revisions.values import Value, Values, numbers_of


@dataclass(frozen=True)
class Rule:
    """A difference that is allowed.

    Attributes:
        path: Regular expression of the paths.
        reason: Why the values may differ.
        file: Shell pattern of the files.
    """

    path: str
    reason: str
    file: str = "*"

    def applies_to(self, file: str) -> bool:
        """Return whether the rule applies to a file.

        Args:
            file: Identifier of the file.

        Returns:
            True if the pattern of the rule matches.
        """
        return fnmatchcase(file, self.file)


@dataclass(frozen=True)
class Ignored(Rule):
    """A value that is not compared, whether one revision has it or both."""


@dataclass(frozen=True)
class Filled(Rule):
    """A value that the old revision left empty."""


@dataclass(frozen=True)
class Renamed(Rule):
    r"""A key that was renamed; `new` may refer to groups of `path`, as in `/summary/\1`."""

    new: str = ""


@dataclass(frozen=True)
class Respelt(Rule):
    """A text, such as the name of a resource, in which matches of the regular expression `old` became `new`."""

    old: str = ""
    new: str = ""


@dataclass(frozen=True)
class Reworded(Rule):
    """A text whose words changed; only its numbers are compared."""


NEW_KEYS = (
    "quantisation|kv_step_bits|kv_bits|workload/kv(/.*)?|masked_folds|ternary_storage_bits",
    "technology_nm|node_nm|wire_node_nm|router_node_nm",
    "unit_cycle_energy_j|cycle_energy_array|tile_outputs|routes|cell_class|store_bytes",
    "sram/ports|sram/banks|memory/write_energy_j_per_bit",
    "(pe_buffer|tile_buffer|memory)/capacity_bytes",
)
NEW_FIGURES = (
    "memory_(read|write|weight)_bytes|(weight|kv|embedding|other)_read_bytes|(kv|other)_write_bytes",
    "kv_cache_bytes|activation_bytes|(dynamic_|static_)?power_w|tops_per_w|tops_per_mm2",
    "spilled(_s|_energy_j|_share|_on_front)?",
)

IGNORED = (
    Ignored(r".*/@?pimsim_version", "the version of pimsim that ran"),
    Ignored(r"(/points/version/\d+|.*/summary/version)", "the version of pimsim that ran, by study", "a*"),
    Ignored(r"/@git_revision", "the checkout that ran"),
    Ignored(r"/@created", "the time at which a file was written"),
    Ignored(
        r"/block (0|8)/number \d+",
        "printed tables of switches and claims break sentences elsewhere now; their JSON and CSV are compared",
        "corrected/run/run-2.txt",
    ),
    Ignored(
        r"(/prefill|/served|/points/\d+)?/notes(/\d+)?",
        "results state what the reader of their model does not model",
        "*.json",
    ),
    Ignored(
        r"/\d+/(window|positions|notes(/\d+)?)|/5/source",
        "models state windows, positions and notes apart from their source, which for opt-350m contained a note",
        "catalog/*",
    ),
    Ignored(r"(/@|/)code_hash", "a hash of the source code"),
    Ignored(r".*/adc/series", "a new key: how an ADC's figures follow at other bits than those they are stated for"),
    Ignored(
        r".*", "lists of presets contain that key; the case configs compares their values", "catalog/run/run-[34].*"
    ),
    Ignored(r".*/adc_series(/.*)?", "a new field that says so"),
    Ignored(r".*/(counted|left_out)(/.*)?", "a new field: what a result counts and leaves out", "*.json"),
    Ignored(r".*/accounting/.*", "a new table: what a result counts and leaves out"),
    Ignored(
        rf"(.*/)?({'|'.join(NEW_KEYS)})(/\d+)?", "new keys; frozen configs have values that describe the old machine"
    ),
    Ignored(r".*/serving/kv_capacity_bytes", "the capacity of the memory limits KV caches"),
    Ignored(
        rf"(.*/)?@?({'|'.join(NEW_FIGURES)})(/\d+|:type)?", "new figures: bytes in memory and moved, powers, spills"
    ),
    Ignored(r"(.*/)?(warnings|stretched)(/.*)?", "new fields: what to check, and ops that wait for a port", "*.json"),
    Ignored(r"(/steps)?/\d+/leakage_j|/summary/operations_per_mac", "new figures of a generation", "generation/*"),
    Ignored(r"/order/.*", "new columns stand between the old ones; cells are compared by heading", "*.csv"),
    Ignored(r".*/improvements(/.*)?", "a new section: the run repeated with one change at a time", "*.json"),
    Ignored(r"/spans/.*", "timelines also show parallel tiles that do not decide; times of ops are compared", "*.h5"),
    Ignored(r"/traceEvents/.*", "as the spans of HDF5 files", "timeline/*"),
    Ignored(
        r".*/(machine/crossbar/output_bits|machine/vector/softmax)",
        "the old revision did not compute with them; the new one computes with the same numbers only if they say so",
        "accuracy/run/*",
    ),
    Ignored(
        r"(/points(/\d+)?)?(/summary)?/(energy_j|latency_s|gops|gops_per_w|tokens_per_[sj])(/\d+)?|/block 3/.*",
        "speed and energy with the width of sums that the old revision computed with",
        "accuracy/run/*",
    ),
    Ignored(r".*/next_token_agreement/high", "the interval of a fraction ends at 1", "accuracy/*"),
    Ignored(
        r".*/(perplexity_ratio|nll_increase_paired|costs_less_than_1_percent)(_low|_high)?(/.*)?",
        "new figures: the cost of the arrays by paired differences",
        "accuracy/*",
    ),
    Ignored(r"/notes/note(/\d+|:type)", "a note says what a trace file does not contain", "trace/run/run.h5"),
    Ignored(r"/sweep/0", "the text of a sweep file names its base, and an array of any size"),
    Ignored(r".*/blind", "a new column: whether the value was withheld while the model was made", "reproduce/*"),
    Ignored(r"/summary/.*", "a new table: how many values of the paper agree", "reproduce/*"),
    Ignored(r"/\w+/notes(/\d+)?", "new notes give the deviation of the values that were withheld", "reproduce/*"),
    Ignored(r"/block .*", "printed tables have the withheld values; their JSON and CSV are compared", "reproduce/*"),
    Ignored(
        r"/workload/(lm_head|samples)|/mapping/attention_slices|/machine/(memory/.*|crossbar/pair/adc/energy_bits)",
        "the template has the new defaults, and fewer keys",
        "init/run/mine.yaml",
    ),
    Ignored(
        r"/machine/(sram/ports|crossbar/(output_bits|(pe|tile)_buffer/.*)|mesh/(multicast|packet_bits|router_latency_s|switching))",
        "an import states how the other simulator counts, which the defaults no longer do",
        "import-*.yaml",
    ),
    Ignored(r"/fig4/notes(/0)?", "a note says which dataflow each label stands for", "reproduce/*"),
    Ignored(r".*/schema_version", "the version of the format of configs"),
    Ignored(r".*/description", "the frozen configs describe themselves in other words"),
    Ignored(r"(/points)?/(key/\d+|\d+/key)", "a hash of a point's config and of the source code", "sweep/*"),
    Ignored(r"(/points|/front)?/(key/\d+|\d+/key)", "a hash of a point's config and of the source code", "optimize/*"),
)

FILLED = (
    Filled(
        r".*/(published|published_gain_percent|deviation_percent|deviation_points|fitted_links_deviation_percent)",
        "values of the paper that the old revision withheld",
        "reproduce/*",
    ),
)

NEW_LINES = (
    Ignored(
        r"(counted|left out)( in the first point)?: .*|(note|warning): .*",
        "what a result counts and leaves out, and what its model does not",
    ),
    Ignored(r"(power|density|KV cache|memory reads|memory writes) {2,}.*", "new figures"),
    Ignored(r"efficiency {2,}.*", "a new figure of a generation", "generation/*"),
)
"""Lines of printed reports that are not compared."""

NEW_BLOCKS = (
    Ignored(r"What would help: .*|less (time|energy|area) .*|on critical path +share .*", "the run with one change"),
)
"""Blocks of printed reports, by their first lines, that are not compared."""

NEW_WORDS = (Ignored(r"[\d.e+-]+ TOPS/W; ", "the efficiency in a second unit"),)
"""Parts of lines that are not compared."""

IGNORED_FILES = {
    "summary.csv": "a new table: how many values of the paper agree",
    "stock.yaml": "an input of the new revision only: the defaults of the old one",
    "both.yaml": "an input of the new revision only: an imported config on these defaults",
    "*.study": "Optuna's own record, with times and process numbers; its points are in the HDF5 file beside it",
}

RENAMED: tuple[Renamed, ...] = (
    Renamed(
        r"(.*)/existence/(.*)",
        "what says whether a machine can be built is called feasibility",
        "*.json",
        new=r"\1/feasibility/\2",
    ),
    Renamed(
        r"(.*)/memory/energy_j_per_bit",
        "reads and writes have their own energies; those of the old machines are equal",
        new=r"\1/memory/read_energy_j_per_bit",
    ),
)

GATINGS = (("off", "ungated"), ("idle", "idle_gated"), ("always", "not_charged"))

RESPELT: tuple[Respelt, ...] = (
    *(
        Respelt(r".*leakage(_gating)?", "the values of leakage_gating say what is charged", "*", f"^{old}$", new)
        for old, new in GATINGS
    ),
    *(
        Respelt(
            r".*", "switches of the corrected accounting have the values of leakage_gating", "corrected/*", old, new
        )
        for old, new in ((r"\bleakage=off\b", "leakage=ungated"), (r"\bleakage=idle\b", "leakage=idle_gated"))
    ),
    Respelt(r".*/dataflow", "ws and is were exchanged", "import-scalesim/*", "^ws$", "is"),
    Respelt(".*/values", "as the values of leakage_gating", "corrected/*", "^off, idle$", "ungated, idle_gated"),
    *(
        Respelt(
            r".*/(name|config|base)",
            "the old machines are frozen configs; a file that the old revision wrote keeps its names",
            file,
            r"^(pim|tpu)-llm(?=:|$)",
            r"\1-llm-published",
        )
        for file in ("*/run/*", "trace/read/read-2.json")  # the latter runs a machine with an old trace
    ),
)

REWORDED = (
    Reworded(r"/fits/\d+/fitted_to", "the data of a fit are described in other words", "calibrate/*"),
    Reworded(r".*/source", "comments of configs, from which sources are read, are in plain English", "catalog/*"),
    Reworded(r"/\w+/(title|notes/\d+)", "titles and notes of the paper's tables are in plain English", "reproduce/*"),
    Reworded(r"/\w+/(title|notes/\d+)", "titles and notes of the paper's tables are in plain English", "corrected/*"),
    Reworded(
        r"(/switches/rows)?/\d+/(changes|reason)|(/claims/rows)?/\d+/(claim|published|all_together|broken_by)",
        "claims and switches are described in plain English",
        "corrected/*",
    ),
)


def is_ignored_file(name: str) -> str:
    """Return the reason why a file is not compared.

    Args:
        name: Name of the file, without folders.

    Returns:
        The reason; "" if the file is compared.
    """
    return next((reason for pattern, reason in IGNORED_FILES.items() if fnmatchcase(name, pattern)), "")


def expected(values: Values, file: str) -> Values:
    """Convert the values of the old revision to those that the new revision must produce.

    Args:
        values: Values of a file of the old revision, by path.
        file: Identifier of the file.

    Returns:
        The values under their new names, without the ignored ones.
    """
    renamed = [rule for rule in RENAMED if rule.applies_to(file)]
    respelt = [rule for rule in RESPELT if rule.applies_to(file)]
    if renamed:
        values = {_renamed(path, renamed): value for path, value in values.items()}
    if respelt:
        values = {path: _respelt(path, value, respelt) for path, value in values.items()}
    filled = _pattern([rule for rule in FILLED if rule.applies_to(file)])
    values = {path: value for path, value in values.items() if value not in ("", None) or not filled.fullmatch(path)}
    return compared(values, file)


def is_filled(path: str, file: str) -> bool:
    """Return whether a value that the old revision does not state may be stated now.

    Args:
        path: Path of the value.
        file: Identifier of the file.

    Returns:
        True if a rule says so.
    """
    return any(rule.applies_to(file) and re.fullmatch(rule.path, path) for rule in FILLED)


def without_new_lines(text: str, file: str) -> str:
    """Remove lines, blocks and parts of lines that printed reports did not have at the old revision.

    Args:
        text: Standard output of a command.
        file: Identifier of the file.

    Returns:
        The rest, with the empty lines between blocks.
    """
    blocks = re.split(r"\n\s*\n", text)
    lines, firsts, words = (
        _pattern([rule for rule in rules if rule.applies_to(file)]) for rules in (NEW_LINES, NEW_BLOCKS, NEW_WORDS)
    )
    kept = (block for block in blocks if not firsts.fullmatch(block.strip("\n").partition("\n")[0]))
    rest = ("\n".join(line for line in block.splitlines() if not lines.fullmatch(line)) for block in kept)
    return words.sub("", "\n\n".join(rest))


def compared(values: Values, file: str) -> Values:
    """Remove the ignored values, and reduce reworded texts to their numbers.

    Args:
        values: Values of a file, under the names of the new revision.
        file: Identifier of the file.

    Returns:
        The values that must be equal in both revisions, by path.
    """
    ignored = _pattern([rule for rule in IGNORED if rule.applies_to(file)])
    reworded = _pattern([rule for rule in REWORDED if rule.applies_to(file)])
    return {
        path: " ".join(numbers_of(value)) if isinstance(value, str) and reworded.fullmatch(path) else value
        for path, value in values.items()
        if not ignored.fullmatch(path)
    }


def _pattern(rules: Sequence[Rule]) -> re.Pattern[str]:
    """Combine the paths of all rules into one expression; without rules it matches nothing."""
    return re.compile("|".join(f"(?:{rule.path})" for rule in rules) or r"(?!)")


def _renamed(path: str, rules: Sequence[Renamed]) -> str:
    """Return the new name of a path, by the first rule that matches."""
    for rule in rules:
        if match := re.fullmatch(rule.path, path):
            return match.expand(rule.new)
    return path


def _respelt(path: str, value: Value, rules: Sequence[Respelt]) -> Value:
    """Replace old names in a value by the new ones."""
    for rule in rules:
        if isinstance(value, str) and re.fullmatch(rule.path, path):
            value = re.sub(rule.old, rule.new, value)
    return value
