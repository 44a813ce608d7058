"""Compiles the trainer's functions for arrays, without the GIL, and stores them on disk with rtfx's other caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import config

from ..files import distrust
from ..kernels.cache import cache_folder


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a function on arrays that is compiled at its first call, and again after its file has changed."""
    return _declared(function, True)


def compiled_as_written(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `compiled`, but sums keep their order, because activations round by adding a large number."""
    return _declared(function, False)


def _declared(function: Callable[..., Any], fastmath: bool) -> Callable[..., Any]:
    settings: Any = config
    before = settings.CACHE_DIR
    folder = cache_folder() / "train"
    settings.CACHE_DIR = str(folder)  # read while the dispatcher is made
    own = not any(map(distrust, (folder, *folder.rglob("*"))))  # another user's cache could hold any code
    try:
        # with Python's error model every division checks for zero, and a loop with a division is not vectorised
        return numba.njit(function, cache=own, fastmath=fastmath, nogil=True, error_model="numpy")
    finally:
        settings.CACHE_DIR = before
