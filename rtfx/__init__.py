"""rtfx plays a guitar through neural amps and pedals, live, from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors; really imported below, on first use
    from . import errors
    from .api import Model, from_keras, from_torch, load
    from .live.stream import Stream
    from .notebook.audio import Audio
    from .rigs import Rig

__version__ = "0.2.0"
__all__ = ["Audio", "Model", "Rig", "Stream", "__version__", "errors", "from_keras", "from_torch", "load"]

_HOMES = {
    "Audio": "notebook.audio",
    "Model": "api",
    "Rig": "rigs",
    "Stream": "live.stream",
    "from_keras": "api",
    "from_torch": "api",
    "load": "api",
}


def __dir__() -> list[str]:
    """List what is exported, fetched or not: completion in a notebook asks for it."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import what is asked for on first use (PEP 562): the command line starts without NumPy and Numba."""
    import importlib

    if name == "errors":
        return importlib.import_module(".errors", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module 'rtfx' has no attribute {name!r}")
