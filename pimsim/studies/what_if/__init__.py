"""What would help: a run repeated with one key of its config changed at a time."""
