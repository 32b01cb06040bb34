"""Splitting of a model over machines with a link: by phase, by attention and projections, or by tensor parallelism."""
