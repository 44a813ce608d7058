"""How the trainer's functions are compiled: for arrays, without the GIL, kept on disk with rtfx's other caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core import config

from ..kernels.jit import cache_folder


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a function on arrays, compiled at its first call; Numba's own cache notices a change of its file."""
    settings: Any = config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_folder().parents[1] / "train")  # read while the dispatcher is made
    try:
        # with Python's error model every division asks for zero, and no loop with one in it is vectorised
        return numba.njit(function, cache=True, fastmath=True, nogil=True, error_model="numpy")
    finally:
        settings.CACHE_DIR = before
