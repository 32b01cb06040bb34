"""Requests that share a machine: continuous batching, with times and energies of iterations from the engine."""
