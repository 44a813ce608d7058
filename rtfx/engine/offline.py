"""Processes arrays with a plan. It uses the same callback as a live stream, without fades, so samples are identical."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..effects.limiter import LARGEST
from ..errors import UsageError
from ..plan.chain import Plan
from ..units import gain_from_db
from .engine import Engine
from .engine_rig import EngineRig
from .layout import LOUDEST_SAMPLE

BLOCK_FRAMES = 512


class Offline:
    """One plan with its state; it processes audio block by block.

    Parameters
    ----------
    cold : bool
        Skip the prewarm: start from the state stored in the model file, else from zeros.
    limiter : bool
        Keep the output within 0 dBFS, as in a live stream.
    block : int
        Frames per callback.
    loudest : float
        Largest allowed magnitude of an input sample, linear; a sample above it is replaced by 0. A bare plan accepts
        every finite sample.
    in_gain_db, out_gain_db : float
        Gains before and after the rig, in dB.
    """

    def __init__(
        self,
        plan: Plan,
        cold: bool = False,
        limiter: bool = True,
        block: int = BLOCK_FRAMES,
        in_gain_db: float = 0.0,
        out_gain_db: float = 0.0,
        loudest: float = LOUDEST_SAMPLE,
    ):
        self.plan, self.block = plan, block
        self._settings: dict[str, Any] = {
            "sample_rate": plan.sample_rate,
            "inputs": plan.inputs,
            "outputs": plan.outputs,
            "device_inputs": plan.inputs,
            "device_outputs": plan.outputs,
            "live": False,
            "limiter": limiter,
            "loudest": LARGEST if plan.bare else loudest,
            "in_gain": gain_from_db(in_gain_db),
            "out_gain": gain_from_db(out_gain_db),
        }
        self._template = EngineRig(plan, cold)
        self.reset()

    def reset(self, values: Sequence[Mapping] | None = None) -> None:
        """Restart from rest; `values` holds one mapping of parameter values per block of the chain."""
        self.engine = Engine(**self._settings)
        self.rig = EngineRig(self.plan, template=self._template)
        if values is not None:
            self.rig.start_at(values)
        self.engine.publish(self.rig)

    def update(self, plan: Plan) -> None:
        """Crossfade to a plan with other weights and the same layout; the state is kept."""
        if plan.layout != self.plan.layout:
            raise UsageError("the new weights change how the model is computed, so no state fits: use reset=True")
        self.plan = plan
        self._template = self.rig = EngineRig(plan, template=self._template)
        self.engine.publish(self.rig, continues=True)

    def process(self, x: np.ndarray) -> np.ndarray:
        """Process the next frames and return their output.

        Parameters
        ----------
        x : (frames, inputs) float32

        Returns
        -------
        (frames, outputs) float32
        """
        return self.engine.drive(x, self.block)

    @property
    def non_finite_blocks(self) -> int:
        """Number of blocks that were muted because a model's output was not finite."""
        return int(self.engine.record["non_finite"])
