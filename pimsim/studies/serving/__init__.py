"""Serving of requests on one machine: continuous batching, with the latency and energy of each iteration simulated."""
