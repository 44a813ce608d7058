"""rtfx plays a guitar through neural amps and pedals, live, from Python."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Model", "Rig", "Stream", "__version__", "errors", "load"]

_HOMES = {"Model": "api", "Rig": "rigs", "load": "api", "Stream": "control.stream"}


def __getattr__(name: str):
    """Import what is asked for on first use (PEP 562): the command line starts without NumPy and Numba."""
    import importlib

    if name == "errors":
        return importlib.import_module(".errors", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module 'rtfx' has no attribute {name!r}")
