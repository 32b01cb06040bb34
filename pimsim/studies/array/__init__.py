"""Study of one analog array configuration: its errors, their sources, its energy and programming."""
