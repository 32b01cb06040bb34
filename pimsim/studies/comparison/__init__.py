"""Comparison of designs: the same workloads on several machines, side by side under one accounting."""
