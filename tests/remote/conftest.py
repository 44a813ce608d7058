"""Streams that surfaces control in tests: on the null device, with silence as their input."""

import numpy as np
import pytest

import rtfx

RATE = 48000
SET_LIST = """
version: 1
presets:
  - name: clean
    chain: [{type: gain, id: boost, gain_db: -6}, {type: eq, id: tone}]
    scenes: {loud: {boost.gain_db: 0}}
  - name: crunch
    chain: [{type: gain, id: boost, gain_db: 3}]
  - name: lead
    chain: [{type: gain, id: boost, gain_db: 6}]
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / "list.yaml"
    path.write_text(SET_LIST)
    return rtfx.Rig.from_yaml(path)


@pytest.fixture
def stream(rig):
    with rig.play(device="null", input=np.zeros(100 * RATE, np.float32), sample_rate=RATE) as stream:
        yield stream
