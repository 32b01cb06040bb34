"""Accuracy of a model on the analog arrays of a config: perplexity, next to tokens/s of the same chip."""

from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from pimsim.studies.accuracy.evaluation import evaluate_accuracy
from pimsim.studies.accuracy.parameter_study import vary_accuracy

__all__ = ["AccuracyResult", "AccuracyStudy", "evaluate_accuracy", "vary_accuracy"]
