"""The memory wall: sizes of KV caches in memory tiers, and the roofline of a run."""
