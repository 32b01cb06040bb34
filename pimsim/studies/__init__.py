"""Studies: many runs, or one run that answers a question. pyproject.toml lists the few studies that import others."""
