"""A stream without sound, with the attributes that keys and views need."""

import threading
from types import SimpleNamespace

from rtfx.effects.gain import GAIN
from rtfx.errors import UsageError
from rtfx.live import commands
from rtfx.live.knobs import History, Selection
from rtfx.live.stats import Meters
from rtfx.live.tuner import Target
from rtfx.loading.preset import Knob
from rtfx.rig.parameters import Parameter
from rtfx.rig.set_list import GLOBALS

KNOBS = {
    "amp.drive": Parameter("drive", 0.5),
    "amp.bright": Parameter("bright", "off", kind="stepped", choices=("off", "on")),
    "gain.gain_db": GAIN.parameters[0],
}


class At:
    """The value at an address, as a knob reads it."""

    def __init__(self, values, address):
        self.values, self.address = values, address

    def __getitem__(self, name):
        return self.values[self.address]


class FakeStream:
    def __init__(self, presets=("clean", "crunch", "lead"), inputs=2, outputs=1):
        self.turns = threading.RLock()
        self.presets = list(presets)
        self.preset = 0
        self.mute = self.bypass = False
        self.in_channel = 1
        self.input_channels = self.in_channel_choices = inputs
        self.in_gain_db = self.out_gain_db = 0.0
        self.gains = {each.name: Knob(each.name, each, At(vars(self), each.name)) for each in reversed(GLOBALS)}
        self.levels = [-20.0] * inputs
        self.held_in = [-12.0] * inputs
        self.outputs = [-12.0] * outputs
        self.held_out = [-6.0] * outputs
        self.clip_in = self.clip_out = False
        self.xruns = 0
        self.tuner = SimpleNamespace(on=False, target=Target(), mute_before=None, reading=lambda: None)
        self.stats = SimpleNamespace(
            input_device="Scarlett", device="Scarlett", route="Scarlett", latency_ms=4.2, non_finite_blocks=0,
            sample_rate=48000.0, block_frames=64, realtime="none",
        )  # fmt: skip
        self.blocks_left = 1000
        self.notes = ()
        self.recorder = None
        self.selection = Selection()
        self.reseeder = self.midi = self.captures = None
        self.clock = 0.0
        self.history = History(lambda: self.clock)
        self.values = {address: parameter.default for address, parameter in KNOBS.items()}
        self.written = dict(self.values)
        self.knobs = self.gains | {
            address: Knob(address, parameter, At(self.values, address), self.written[address])
            for address, parameter in KNOBS.items()
        }
        self.scenes = {}
        self.unplayable = {}
        self.sets = []

    @property
    def heard(self):
        return range(self.in_channel - 1, self.in_channel)

    def find(self, address):
        if address not in self.knobs:
            raise UsageError(f"no parameter {address!r}")
        return self.knobs[address]

    def set_many(self, values, remember=True):
        before = {address: self.find(address).value for address in values}
        for address, value in values.items():
            (vars(self) if address in self.gains else self.values)[address] = value
        self.sets.append(dict(values))
        if remember:
            own = not before.keys() & self.gains.keys()
            self.history.note(self.presets[self.preset] if own else None, before, values)

    def select(self, index):
        self.preset = index

    def meters(self):
        return Meters(
            self.levels, max(self.outputs), self.clip_in, self.clip_out, 0.1, 0.3, self.xruns,
            self.outputs, self.held_in, self.held_out,
        )  # fmt: skip

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
