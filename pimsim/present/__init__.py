"""Results presented to people and machines. Reads results and computes nothing."""
