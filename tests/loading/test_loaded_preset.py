"""A loaded preset is one object: its blocks, their values and what is written, with a table of knobs made once."""

import time

import numpy as np
import pytest

import rtfx
from rtfx.api import Model
from rtfx.errors import UsageError
from rtfx.loading.preset import LoadedPreset
from rtfx.plan.block import ReadyBlock
from rtfx.rig.parameters import Parameter
from tests.engine.rigs import effect, gain, lstm, model, rig


def loaded(*chain, **more) -> LoadedPreset:
    template = rig(list(chain))
    return LoadedPreset("one", template.plan, template, **more)


def test_a_knob_reads_and_writes_the_value_of_its_block():
    preset = loaded(model(lstm(), "amp"), gain(-6.0), written={"gain": {"gain_db": -3.0}})
    block = preset.blocks[1]
    knob = preset.find("gain.gain_db")
    assert knob is preset.knobs["gain.gain_db"] and knob.values is block.values
    assert (knob.value, knob.written, knob.turned) == (-6.0, -3.0, True)
    block.values["gain_db"] = -3.0
    assert (knob.value, knob.turned) == (-3.0, False)
    assert preset.values["gain.gain_db"] == preset.now()[1]["gain_db"] == -3.0


def test_bare_names_are_found_where_one_block_has_them():
    preset = loaded(model(lstm(), "amp"), gain(0.0), effect("gain", "second", gain_db=0.0))
    assert preset.find("drive") is preset.knobs["amp.drive"]
    with pytest.raises(UsageError, match="several blocks.*gain.gain_db, second.gain_db"):
        preset.find("gain_db")


def test_one_that_cannot_play_has_no_blocks_and_says_why():
    preset = LoadedPreset("broken", fault="amp.json: no such file")
    assert not preset.blocks and not preset.knobs and preset.fault == "amp.json: no such file"


def test_turning_a_knob_makes_no_parameter_and_no_block(monkeypatch):
    """The table of knobs is made once, when the preset is loaded."""
    made = {Parameter: 0, ReadyBlock: 0}

    def counted(kind, begin):
        def init(self, *arguments, **named):
            made[kind] += 1
            begin(self, *arguments, **named)

        return init

    for kind in made:
        monkeypatch.setattr(kind, "__init__", counted(kind, kind.__init__))
    chain = [{"type": "gate"}, Model(lstm()), {"type": "eq"}, {"type": "gain"}]
    with rtfx.Rig(chain).play(device="null", input=np.zeros(48000, np.float32), seconds=60.0) as stream:
        assert min(made.values()) > 0, "loading makes them"
        stream.do("knob model.drive")
        tables = len(stream.controller.playing.tables)
        made.update(dict.fromkeys(made, 0))
        for _ in range(5):
            stream.do("turn 1")
            stream.do("turn -1 fine")
        assert stream.get("model.drive") == pytest.approx(0.59)
        deadline = time.monotonic() + 10.0
        while len(stream.controller.playing.tables) == tables and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(stream.controller.playing.tables) > tables, "the engine has got the new values"
        assert made == {Parameter: 0, ReadyBlock: 0}
