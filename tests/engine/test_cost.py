"""The time of a net depends on its multiply-adds, not on the length of its history."""

import time

import numpy as np

import rtfx
from rtfx.engine.offline import Offline

RATE, FRAMES, TURNS = 48000, 8192, 15


def seconds(offline, x) -> float:
    begin = time.perf_counter()
    offline.process(x)
    return time.perf_counter() - begin


def test_looking_back_a_thousand_times_further_costs_the_same():
    """Seven layers of equal work; convolving the whole history for each block would cost hundreds of times more."""
    x = np.random.default_rng(1).normal(0, 0.1, (FRAMES, 1)).astype(np.float32)
    nets = [rtfx.Rig([f"random:tcn?layers=7&channels=8&kernel=3&dilation={d}"]) for d in (1, 4)]
    players = [Offline(net.plan(float(RATE)), block=64) for net in nets]
    near, far = np.min([[seconds(player, x) for player in players] for _ in range(TURNS)], axis=0)
    assert far < 3.0 * near, (near, far)
