"""Reads PyTorch exports (.pt2) without PyTorch and without unpickling anything."""
