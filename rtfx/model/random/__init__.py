"""Random nets: untrained networks as effects, drawn from a seed."""
