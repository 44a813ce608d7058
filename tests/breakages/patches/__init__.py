"""Ways to break rtfx, one line each, and the test that must notice; a file for each room that is broken."""

from . import batch, bench, effects, engine, host, kernels, live, loading, model, plan, rig, top, train, ui
from .breakage import Breakage

ROOMS = (batch, bench, effects, engine, host, kernels, live, loading, model, plan, rig, top, train, ui)
BREAKAGES = [breakage for room in ROOMS for breakage in room.BREAKAGES]

__all__ = ["BREAKAGES", "ROOMS", "Breakage"]
