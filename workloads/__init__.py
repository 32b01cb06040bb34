"""What is to be computed: decoder-only models, their typed ops and traces. Knows nothing of hardware.

    >>> from workloads import decode_step, find_model
    >>> decode_step(find_model("opt-6.7b"), context_length=1024).macs
    6710886400

Names are imported on first use (PEP 562), so ``import workloads`` costs about a millisecond.
"""

from importlib import import_module

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, whose module takes 10 ms to import
if TYPE_CHECKING:
    from workloads.checkpoint import LoadedNetwork as LoadedNetwork
    from workloads.checkpoint import load_network as load_network
    from workloads.decoder_ops import SequenceGroup as SequenceGroup
    from workloads.decoder_ops import decode_step as decode_step
    from workloads.decoder_ops import generation_steps as generation_steps
    from workloads.decoder_ops import mixed_step as mixed_step
    from workloads.decoder_ops import prefill as prefill
    from workloads.decoder_ops import sampled_contexts as sampled_contexts
    from workloads.huggingface import read_model_config as read_model_config
    from workloads.models import ModelSpec as ModelSpec
    from workloads.models import find_model as find_model
    from workloads.models import load_models as load_models
    from workloads.ops import BLOCK_INPUT as BLOCK_INPUT
    from workloads.ops import KINDS as KINDS
    from workloads.ops import Activation as Activation
    from workloads.ops import AttentionScores as AttentionScores
    from workloads.ops import AttentionValues as AttentionValues
    from workloads.ops import Embedding as Embedding
    from workloads.ops import KVAppend as KVAppend
    from workloads.ops import Matmul as Matmul
    from workloads.ops import MatmulOp as MatmulOp
    from workloads.ops import Multiply as Multiply
    from workloads.ops import Norm as Norm
    from workloads.ops import Op as Op
    from workloads.ops import Projection as Projection
    from workloads.ops import Residual as Residual
    from workloads.ops import Rotary as Rotary
    from workloads.ops import Softmax as Softmax
    from workloads.requests import Request as Request
    from workloads.requests import poisson_requests as poisson_requests
    from workloads.requests import read_requests as read_requests
    from workloads.requests import write_requests as write_requests
    from workloads.text_tokens import TokenizedText as TokenizedText
    from workloads.text_tokens import Tokenizer as Tokenizer
    from workloads.text_tokens import load_tokenizer as load_tokenizer
    from workloads.trace import Block as Block
    from workloads.trace import Trace as Trace
    from workloads.trace import read_trace as read_trace
    from workloads.trace import write_trace as write_trace
    from workloads.workload_errors import CheckpointError as CheckpointError
    from workloads.workload_errors import ConfigFileError as ConfigFileError
    from workloads.workload_errors import RequestError as RequestError
    from workloads.workload_errors import SpecError as SpecError
    from workloads.workload_errors import TokenizerError as TokenizerError
    from workloads.workload_errors import TraceError as TraceError
    from workloads.workload_errors import UnknownFamilyError as UnknownFamilyError
    from workloads.workload_errors import UnknownModelError as UnknownModelError
    from workloads.workload_errors import WorkloadError as WorkloadError

_PUBLIC = {
    "checkpoint": ("LoadedNetwork", "load_network"),
    "decoder_ops": (
        *("SequenceGroup", "decode_step", "generation_steps", "mixed_step", "prefill", "sampled_contexts"),
    ),
    "workload_errors": (
        *("CheckpointError", "ConfigFileError", "RequestError", "SpecError", "TokenizerError", "TraceError"),
        *("UnknownFamilyError", "UnknownModelError", "WorkloadError"),
    ),
    "huggingface": ("read_model_config",),
    "models": ("ModelSpec", "find_model", "load_models"),
    "ops": (
        *("BLOCK_INPUT", "KINDS", "Activation", "AttentionScores", "AttentionValues", "Embedding", "KVAppend"),
        *("Matmul", "MatmulOp", "Multiply", "Norm", "Op", "Projection", "Residual", "Rotary", "Softmax"),
    ),
    "text_tokens": ("TokenizedText", "Tokenizer", "load_tokenizer"),
    "requests": ("Request", "poisson_requests", "read_requests", "write_requests"),
    "trace": ("Block", "Trace", "read_trace", "write_trace"),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import ``name`` from the module it lives in, once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *_HOME})
