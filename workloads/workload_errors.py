"""Exceptions of this package. Each message is complete and can be shown to the user unchanged."""


class WorkloadError(ValueError):
    """Base class: a model, an op, a trace or a file cannot be used."""


class SpecError(WorkloadError):
    """An argument, a model spec, an op, a block or a trace has values that are out of range or inconsistent."""


class UnknownModelError(WorkloadError):
    """A model name is neither a name nor an alias of a shipped model; the message suggests similar names."""


class TraceError(WorkloadError):
    """A trace file cannot be read or written; the message names the file, the keys and the allowed values."""


class ConfigFileError(WorkloadError):
    """A `config.json` cannot be read or used; the message names the file and each missing or invalid key."""


class UnknownFamilyError(ConfigFileError):
    """A `config.json` belongs to an unsupported model family; the message lists the supported families."""


class CheckpointError(WorkloadError):
    """Weights cannot be read or do not match `config.json`; the message names the file and the tensor."""


class TokenizerError(WorkloadError):
    """A `tokenizer.json` cannot be read or used, or has no tokens for a text."""


class ExpertTraceError(WorkloadError):
    """A trace of experts cannot be read or is not valid."""


class RequestError(WorkloadError):
    """Requests or a request file are invalid; the message names the file, line, key, value and allowed range."""
