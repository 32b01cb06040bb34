"""Space of a sweep: the sweep file, its axes and constraints, and the points that are sampled from them."""
