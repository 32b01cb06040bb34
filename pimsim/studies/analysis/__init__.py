"""What a table of points says: fronts, the best of each kind, and what matters. Takes data frames, knows no files."""
