"""Studies: many runs, or one run that answers a question. Independent of each other but for named edges."""
