"""Names of metrics: `tokens_per_s`, or `tokens_per_s@opt-6.7b` for the metric of one of several workloads."""

from __future__ import annotations

import re

from crossbar.intervals import end_names

SEPARATOR = "@"
WORKLOAD_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?"
"""Pattern of the name of a workload. It ends with a letter, a digit or `_`, so that an expression may go on."""
METRIC_AT_WORKLOAD = rf"[A-Za-z_][A-Za-z0-9_]*{SEPARATOR}{WORKLOAD_NAME}"
"""Pattern of the name of a metric of a workload."""


def is_workload_name(text: str) -> bool:
    """Check whether a text may be the name of a workload.

    Args:
        text: The text.

    Returns:
        True if it consists of letters, digits, `_`, `.` and `-`, and does not begin or end with `.` or `-`.
    """
    return re.fullmatch(WORKLOAD_NAME, text) is not None


def split_metric(name: str) -> tuple[str, str]:
    """Split the name of a metric.

    Args:
        name: Name of a metric, with or without a workload.

    Returns:
        Name of the metric alone, and of the workload; "" if there is none.
    """
    metric, _, workload = name.partition(SEPARATOR)
    return metric, workload


def metric_at(metric: str, workload: str) -> str:
    """Name the metric of a workload.

    Args:
        metric: Name of the metric alone.
        workload: Name of the workload; "" for the workload of the config itself.

    Returns:
        The name, which `split_metric` splits.
    """
    return f"{metric}{SEPARATOR}{workload}" if workload else metric


def end_metrics(name: str) -> tuple[str, str]:
    """Name the metrics that hold the ends of the confidence interval of a metric.

    Args:
        name: Name of a metric, with or without a workload.

    Returns:
        Names of the lower and of the upper end: `perplexity_low@kjv-bitnet` for `perplexity@kjv-bitnet`.
    """
    metric, workload = split_metric(name)
    low, high = end_names(metric)
    return metric_at(low, workload), metric_at(high, workload)
