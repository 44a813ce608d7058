"""Ways to break rtfx, one line each, and the test that must notice; a file for each room that is broken."""

from . import batch, bench, control, effects, engine, host, kernels, model, plan, rig, top, train
from .breakage import Breakage

ROOMS = (batch, bench, control, effects, engine, host, kernels, model, plan, rig, top, train)
BREAKAGES = [breakage for room in ROOMS for breakage in room.BREAKAGES]

__all__ = ["BREAKAGES", "ROOMS", "Breakage"]
