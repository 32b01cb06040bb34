"""Result table of a sweep: its file, filters, exports and analysis."""
