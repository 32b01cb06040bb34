"""Request traces of other projects: their columns, units and files, converted to serving requests."""
