"""Hear a network learn: gradient descent in NumPy, every step swapped into the playing rig: python hear_training.py"""

import sys

import numpy as np

import rtfx
from rtfx.model.nodes import Conv1d, Input
from rtfx.model.spec import ModelSpec

device = sys.argv[1] if len(sys.argv) > 1 else None
rate, taps = 48000, 64
random = np.random.default_rng(0)
cabinet = random.standard_normal(taps) * np.exp(-np.arange(taps) / 10)  # what is to be learnt
noise = (0.1 * random.standard_normal(3 * rate)).astype(np.float32)
target = np.convolve(noise, cabinet)[: len(noise)]
windows = np.lib.stride_tricks.sliding_window_view(noise, taps)

layer = Conv1d((0,), weight=np.zeros((1, 1, taps)), bias=np.zeros(1))
student = rtfx.Model(ModelSpec("example", (Input(()), layer), dc_block=False))
weight, steps = np.zeros(taps), 0
with rtfx.Rig([student]).play(device=device, input=noise, sample_rate=rate, seconds=3.0, level="none") as stream:
    while not stream.wait(0.01):
        batch = random.integers(0, len(windows), 256)
        error = windows[batch] @ weight - target[batch + taps - 1]
        weight -= 0.03 / (0.01 * len(batch)) * windows[batch].T @ error
        student.update({"node1.weight": weight[None, None, :]})  # nothing is compiled, the state is kept
        steps += 1

off = np.linalg.norm(weight[::-1] - cabinet) / np.linalg.norm(cabinet)  # the newest tap is the last weight
print(f"{steps} steps, weights off by {off:.3f} of their size")
