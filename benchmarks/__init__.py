"""Measures models and single layers of rtfx beside other programs: ``python -m benchmarks --help``."""
