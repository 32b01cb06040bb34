"""Decoder-only models as workloads: typed ops, traces, checkpoints and requests. This package knows no hardware.

    >>> from workloads import decode_step, find_model
    >>> decode_step(find_model("opt-6.7b"), context_length=1024).macs
    6710886400

Each name below is imported on first use, so `import workloads` takes about a millisecond.
"""

import lazy_loader

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, whose module takes 10 ms to import
if TYPE_CHECKING:
    from workloads.checkpoint import LoadedNetwork as LoadedNetwork
    from workloads.checkpoint import load_network as load_network
    from workloads.decoder_ops import decode_step as decode_step
    from workloads.decoder_ops import generation_steps as generation_steps
    from workloads.decoder_ops import mixed_step as mixed_step
    from workloads.decoder_ops import prefill as prefill
    from workloads.decoder_ops import sampled_contexts as sampled_contexts
    from workloads.decoder_pass import SequenceGroup as SequenceGroup
    from workloads.huggingface import read_model_config as read_model_config
    from workloads.models import ModelSpec as ModelSpec
    from workloads.models import find_model as find_model
    from workloads.models import load_models as load_models
    from workloads.op_kinds import KINDS as KINDS
    from workloads.op_kinds import register_kind as register_kind
    from workloads.ops import BLOCK_INPUT as BLOCK_INPUT
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
    from workloads.parameter_count import ParameterCount as ParameterCount
    from workloads.parameter_count import count_parameters as count_parameters
    from workloads.random_requests import poisson_requests as poisson_requests
    from workloads.requests import Request as Request
    from workloads.requests import read_requests as read_requests
    from workloads.requests import write_requests as write_requests
    from workloads.text_tokens import Tokenizer as Tokenizer
    from workloads.text_tokens import load_tokenizer as load_tokenizer
    from workloads.tokenized_text import TokenizedText as TokenizedText
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

_PUBLIC = {  # module: {name: its line in `help(workloads)`}; the imports above repeat it for type checkers
    "checkpoint": {
        "LoadedNetwork": "A network read from a folder, with warnings and the files that were read.",
        "load_network": "Read a network from a folder with config.json and safetensors files.",
    },
    "decoder_ops": {
        "decode_step": "Build the trace of one decode step.",
        "generation_steps": "Build the traces of the decode steps that follow a prompt.",
        "mixed_step": "Build the trace of one pass over sequences with different contexts.",
        "prefill": "Build the trace of a prefill.",
        "sampled_contexts": "Choose the context lengths at which a long generation is simulated.",
    },
    "decoder_pass": {
        "SequenceGroup": "Sequences of one context length in a mixed step.",
    },
    "huggingface": {
        "read_model_config": "Read a model spec from a Hugging Face config.json.",
    },
    "models": {
        "ModelSpec": "Shape of a decoder-only model.",
        "find_model": "Return a shipped model spec by name.",
        "load_models": "Load all shipped model specs.",
    },
    "op_kinds": {
        "KINDS": "Op classes by kind.",
        "register_kind": "Register a kind of op, so that traces can contain it.",
    },
    "ops": {
        "Activation": "Op: an elementwise activation function.",
        "AttentionScores": "Op: queries times cached keys.",
        "AttentionValues": "Op: attention weights times cached values.",
        "BLOCK_INPUT": "Name under which the ops of a block read the input of the block.",
        "Embedding": "Op: rows of the embedding table.",
        "KVAppend": "Op: keys and values appended to the KV cache.",
        "Matmul": "Shape of independent matrix products, (M x K) · (K x N).",
        "MatmulOp": "Base class of ops that multiply matrices.",
        "Multiply": "Op: an elementwise product.",
        "Norm": "Op: a layer norm or an RMS norm.",
        "Op": "Base class of ops.",
        "Projection": "Op: a matrix product with stored weights.",
        "Residual": "Op: an elementwise addition of the residual stream.",
        "Rotary": "Op: rotary position embedding.",
        "Softmax": "Op: a softmax over attention scores.",
    },
    "random_requests": {
        "poisson_requests": "Draw requests from a Poisson process.",
    },
    "parameter_count": {
        "ParameterCount": "Parameters of a model by place.",
        "count_parameters": "Count the parameters of the model of a config.json.",
    },
    "requests": {
        "Request": "A serving request: arrival time, prompt tokens and output tokens.",
        "read_requests": "Read a request file.",
        "write_requests": "Write a request file.",
    },
    "text_tokens": {
        "Tokenizer": "Conversion between text and token ids.",
        "load_tokenizer": "Load the tokenizer in the folder of a model.",
    },
    "tokenized_text": {
        "TokenizedText": "A text as token ids, with the characters of each token.",
    },
    "trace": {
        "Block": "Ops that are repeated as a group.",
        "Trace": "The ops of one phase, as repeated blocks.",
        "read_trace": "Read a trace file.",
        "write_trace": "Write a trace file.",
    },
    "workload_errors": {
        "CheckpointError": "A checkpoint cannot be read.",
        "ConfigFileError": "A config.json cannot be read.",
        "RequestError": "Requests are invalid or a request file cannot be read.",
        "SpecError": "An argument, spec or op has an invalid value.",
        "TokenizerError": "A tokenizer cannot be read.",
        "TraceError": "A trace file cannot be read or written.",
        "UnknownFamilyError": "A model family is not supported.",
        "UnknownModelError": "No shipped model has this name.",
        "WorkloadError": "Base class of all errors of this package.",
    },
}

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_PUBLIC)
__doc__ = f"{__doc__ or ''}\nPublic names:\n" + "".join(  # no docstring under python -OO
    f"    {name:20} {line}\n" for name, line in sorted(line for lines in _PUBLIC.values() for line in lines.items())
)
