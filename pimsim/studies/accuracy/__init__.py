"""How right a model is on a chip's real arrays: perplexity beside tokens/s, from one config."""

from pimsim.studies.accuracy.accuracy_result import AccuracyResult, AccuracyStudy
from pimsim.studies.accuracy.evaluation import evaluate_accuracy
from pimsim.studies.accuracy.parameter_study import vary_accuracy

__all__ = ["AccuracyResult", "AccuracyStudy", "evaluate_accuracy", "vary_accuracy"]
