"""The tables of a notebook, row by row."""

import re
from html import unescape

import pytest

from rtfx.model.nodes import Input, Mul
from rtfx.model.spec import Knob, ModelSpec
from rtfx.notebook.html import model_table, rig_table, table
from rtfx.rig.blocks import BlockSpec
from rtfx.rig.presets import Preset
from tests.engine.rigs import gru, tcn


def rows(html: str) -> dict[str, str]:
    """Return the second column by the first."""
    cells = re.findall(r"<tr><th[^>]*>(.*?)</th><td[^>]*>(.*?)</td></tr>", html)
    return {unescape(name): unescape(value) for name, value in cells}


def test_text_is_escaped_and_numbers_are_rounded():
    html = table("<i>", [("a<b", "x & y"), ("load", 0.123456), ("blocks", 123456)])
    assert "<i>" not in html and "<caption>&lt;i&gt;</caption>" in html
    assert rows(html) == {"a<b": "x & y", "load": "0.1235", "blocks": "123456"}


@pytest.mark.parametrize("spec, field", [(gru(), "recurrent"), (tcn(2, 3, (1, 4)), "11 frames")])
def test_a_model(spec, field):
    found = rows(model_table(spec, {}))
    assert found["receptive field"] == field
    assert found["weights"] == str(spec.parameter_count)
    assert found["inputs, outputs"] == "1, 1"
    assert found["sample rate"] == "as the audio's"


def test_knobs_are_shown_as_they_are_turned():
    knobs = (Knob("drive"), Knob("tone", 0.0, 10.0, 1.0, "dB"))
    nodes = (Input(()), *(Input((), "knob", knob.name) for knob in knobs), Mul((0, 1, 2)))
    spec = ModelSpec("test", nodes, name="two", knobs=knobs, sample_rate=44100.0, warnings=("old",))
    found = rows(model_table(spec, {"drive": 0.25, "tone": 3.0}))
    assert found["drive"] == "0.25 (0 to 1)" and found["tone"] == "3 (0 to 10 dB)"
    assert found["sample rate"] == "44100 Hz" and found["note"] == "old"


def test_the_current_preset_is_marked():
    chain = (BlockSpec("model", "amp", file="amp.json"), BlockSpec("gain", "boost"))
    found = rows(rig_table([Preset("edge", chain), Preset("dry", ())], 1))
    assert found == {"1 edge": "amp (amp.json) → boost", "2 dry ◀": "nothing"}
