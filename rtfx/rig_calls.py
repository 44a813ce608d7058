"""A rig as a function of arrays: what one call has compiled and where it has come to serve the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .engine.offline import Offline
from .errors import UsageError
from .host.render import at_rate, planar
from .plan.chain import Plan
from .rig.set_list import Preset

Key = tuple[float, int, bool, bool]  # what a call is compiled for: the rate it is computed at, channels, bare, cold


class Calls:
    """The calls of one rig.

    Parameters
    ----------
    preset : callable
        Returns the preset as it is now.
    plan : callable
        ``(sample_rate, channels, bare=)`` to the preset compiled.
    limits : callable
        ``(bare)`` to whether the output is kept within 0 dBFS.
    turn : lock
        Held during each call: there is one state, which a second thread at a time would overwrite.
    """

    def __init__(
        self,
        preset: Callable[[], Preset],
        plan: Callable[..., Plan],
        limits: Callable[[bool], bool],
        turn: threading.RLock,
    ):
        self._preset, self._plan, self._limits, self._turn = preset, plan, limits, turn
        self._offline: Offline | None = None
        self._key: Key = (0.0, 0, False, False)
        self._chain: list[tuple[Any, ...]] = []
        self._weights: list[Any] = []

    def __call__(
        self, x: ArrayLike, sample_rate: float, rate: float, reset: bool, bare: bool, cold: bool
    ) -> NDArray[np.float32]:
        """Return the output for `x` at `sample_rate`, computed at `rate`; see `Rig.__call__`."""
        audio = planar(x)
        with self._turn:
            result, outputs = self._result(audio, sample_rate, (rate, audio.shape[0], bare, cold), reset)
        return result[0] if np.ndim(x) == 1 and outputs == 1 else result

    def _result(self, audio: np.ndarray, sample_rate: float, key: Key, reset: bool) -> tuple[np.ndarray, int]:
        """Return (outputs, frames) and the number of outputs."""
        rate = key[0]
        if reset or self._offline is None:
            self._prepare(key)
        elif key != self._key or rate != sample_rate:
            raise UsageError(
                f"reset=False continues a call at {self._key[0]:g} Hz with {self._key[1]} channels, found "
                f"{sample_rate:g} Hz with {audio.shape[0]}: convert first, or use reset=True"
            )
        else:
            self._go_on(key)
        assert self._offline is not None
        out = self._offline.plan.outputs
        blocks = at_rate([audio.T], self._offline.process, sample_rate, rate, audio.shape[0], out)
        return np.ascontiguousarray(np.concatenate(list(blocks)).T), out

    def forget(self) -> None:
        """Have the next call begin anew."""
        with self._turn:
            self._offline = None

    def _go_on(self, key: Key) -> None:
        """Take over weights that have changed since the last call."""
        rate, channels, bare, _ = key
        weights = [block.weights for block in self._preset().chain]
        if self._offline is not None and weights != self._weights:
            self._offline.update(self._plan(rate, channels, bare=bare))
            self._weights, self._chain = weights, []  # what is prewarmed has other weights

    def _prepare(self, key: Key) -> None:
        rate, channels, bare, cold = key
        chain = [(block.file, block.weights, dict(block.values)) for block in self._preset().chain]
        self._weights = [weights for _, weights, _ in chain]
        if key != self._key or self._offline is None or chain != self._chain:
            self._offline = Offline(self._plan(rate, channels, bare=bare), cold, limiter=self._limits(bare))
            self._key, self._chain = key, chain
        else:
            self._offline.reset()
