"""Hardware components, one per module: step trees, closed forms, energies and areas. All of them are pure."""
