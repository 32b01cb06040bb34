"""Development tools: documentation generator, model training, comparisons between revisions."""
