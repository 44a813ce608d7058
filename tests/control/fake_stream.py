"""A stream that plays nothing: what keys and views need of one."""

from types import SimpleNamespace

from rtfx.control.stats import Meters


class FakeStream:
    def __init__(self, presets=("clean", "crunch", "lead"), inputs=2):
        self.presets = list(presets)
        self.preset = 0
        self.mute = self.bypass = False
        self.in_channel = 1
        self.input_channels = inputs
        self.out_gain_db = 0.0
        self.levels = [-20.0] * inputs
        self.clip_in = self.clip_out = False
        self.xruns = 0
        self.stats = SimpleNamespace(input_device="Scarlett", latency_ms=4.2, non_finite_blocks=0)
        self.blocks_left = 1000

    def select(self, index):
        self.preset = index

    def meters(self):
        return Meters(self.levels, -12.0, self.clip_in, self.clip_out, 0.1, 0.3, self.xruns)

    def news(self):
        return []

    def clear_clips(self):
        self.clip_in = self.clip_out = False

    @property
    def active(self):
        return self.blocks_left > 0

    def wait(self, seconds):
        self.blocks_left -= 1
        return not self.active
