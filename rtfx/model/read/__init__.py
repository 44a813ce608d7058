"""Reads model files, one family a file; what it returns is a ModelSpec."""
