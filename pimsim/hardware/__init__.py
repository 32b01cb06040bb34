"""One part of the chip per module, each pure: steps, closed form, energies, area."""
