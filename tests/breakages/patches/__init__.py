"""Ways to break rtfx and the test that must notice each, in one file per topic."""

from . import batch, effects, engine, host, kernels, live, loading, model, plan, rig, top, train, ui, web
from .breakage import Breakage

TOPICS = (batch, effects, engine, host, kernels, live, loading, model, plan, rig, top, train, ui, web)
BREAKAGES = [breakage for topic in TOPICS for breakage in topic.BREAKAGES]

__all__ = ["BREAKAGES", "Breakage"]
