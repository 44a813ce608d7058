"""A stream that plays nothing: what keys and views need of one."""

from types import SimpleNamespace

from rtfx.effects.gain import GAIN
from rtfx.errors import UsageError
from rtfx.live import commands
from rtfx.live.history import History
from rtfx.live.selection import Selection
from rtfx.live.stats import Meters
from rtfx.rig.parameters import Parameter

KNOBS = {
    "amp.drive": Parameter("drive", 0.5),
    "amp.bright": Parameter("bright", "off", kind="stepped", choices=("off", "on")),
    "gain.gain_db": GAIN.parameters[0],
}


class FakeStream:
    def __init__(self, presets=("clean", "crunch", "lead"), inputs=2, outputs=1):
        self.presets = list(presets)
        self.preset = 0
        self.mute = self.bypass = False
        self.in_channel = 1
        self.input_channels = self.in_channel_choices = inputs
        self.in_gain_db = self.out_gain_db = 0.0
        self.levels = [-20.0] * inputs
        self.held_in = [-12.0] * inputs
        self.outputs = [-12.0] * outputs
        self.held_out = [-6.0] * outputs
        self.clip_in = self.clip_out = False
        self.xruns = 0
        self.stats = SimpleNamespace(
            input_device="Scarlett", device="Scarlett", route="Scarlett", latency_ms=4.2, non_finite_blocks=0,
            sample_rate=48000.0, block_frames=64, realtime="none",
        )  # fmt: skip
        self.blocks_left = 1000
        self.notes = ()
        self.recorder = None
        self.selection = Selection()
        self.reseeder = None
        self.clock = 0.0
        self.history = History(lambda: self.clock)
        self.values = {address: parameter.default for address, parameter in KNOBS.items()}
        self.written = dict(self.values)
        self.scenes = {}
        self.unplayable = {}
        self.sets = []

    @property
    def heard(self):
        return range(self.in_channel - 1, self.in_channel)

    @property
    def parameters(self):
        return [(address, parameter, self.values[address]) for address, parameter in KNOBS.items()]

    def set_many(self, values, remember=True):
        for address in values:
            if address not in KNOBS:
                raise UsageError(f"no parameter {address!r}")
        before = {address: self.values[address] for address in values}
        self.values.update(values)
        self.sets.append(dict(values))
        if remember:
            self.history.note(self.presets[self.preset], before, values)

    def select(self, index):
        self.preset = index

    def meters(self):
        return Meters(
            self.levels, max(self.outputs), self.clip_in, self.clip_out, 0.1, 0.3, self.xruns,
            self.outputs, self.held_in, self.held_out,
        )  # fmt: skip

    def address(self, name):
        raise UsageError(f"no parameter {name!r}")

    def scene(self, name):
        self.set_many(self.scenes[name])

    def do(self, line):
        return commands.do(self, line)

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
