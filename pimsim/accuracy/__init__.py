"""How right a model is on a chip's real arrays: perplexity beside tokens/s, from one config."""

from pimsim.accuracy.evaluate import evaluate_accuracy
from pimsim.accuracy.results import AccuracyResult, AccuracyStudy
from pimsim.accuracy.vary import vary_accuracy

__all__ = ["AccuracyResult", "AccuracyStudy", "evaluate_accuracy", "vary_accuracy"]
