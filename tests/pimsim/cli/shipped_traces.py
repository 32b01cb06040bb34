"""The shipped traces, by name: the model and the context length that each was made of."""

SHIPPED_TRACES = {
    "gpt2-medium-decode-128": ("gpt2-medium", 128),
    "llama-3-8b-decode-4096": ("llama-3-8b", 4096),
    "opt-6.7b-decode-1024": ("opt-6.7b", 1024),
}
