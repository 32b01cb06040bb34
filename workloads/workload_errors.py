"""What can go wrong with a workload: one small hierarchy, every message meant to be shown as it is."""


class WorkloadError(ValueError):
    """A model, an op or a trace that cannot be used; the message is a few readable lines."""


class SpecError(WorkloadError):
    """A model spec, an op, a block or a trace whose values are out of range or do not fit together."""


class UnknownModelError(WorkloadError):
    """A model name that is neither a name nor an alias; the message offers the nearest ones."""


class TraceError(WorkloadError):
    """A trace file that cannot be read or written; names the file, the keys, the values and what is allowed."""


class ConfigFileError(WorkloadError):
    """A model's ``config.json`` that cannot be read or used; names the file and every missing or wrong key."""


class UnknownFamilyError(ConfigFileError):
    """A ``config.json`` of a model family that is not understood; names the known ones."""


class CheckpointError(WorkloadError):
    """Weights in a model's folder that cannot be read or do not fit its config; names the file and the tensor."""


class TokenizerError(WorkloadError):
    """A ``tokenizer.json`` that cannot be read or used, or a text that it has no tokens for."""


class RequestError(WorkloadError):
    """Requests, or a file of them, that cannot be used; names the file, the line, the key, the value and its bounds."""
