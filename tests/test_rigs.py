"""The blocks of a rig: their parameters are attributes, offline and while it plays."""

import numpy as np
import pytest

import rtfx
from rtfx.errors import UsageError

RATE = 48000
NOISE = np.random.default_rng(3).uniform(-0.3, 0.3, 2000).astype(np.float32)


def test_a_block_is_switched_and_turned():
    rig = rtfx.Rig([{"type": "gain", "id": "amp", "gain_db": 6.0}])
    assert rig.blocks["amp"].on is True and rig.blocks["amp"].gain_db == 6.0
    rig.blocks["amp"].on = False
    assert rig.blocks["amp"].on is False and np.array_equal(rig(NOISE, RATE), NOISE)
    rig.blocks["amp"].on = True
    rig.blocks["amp"].gain_db = 0
    assert np.array_equal(rig(NOISE, RATE), NOISE)


def test_a_playing_stream_follows():
    rig = rtfx.Rig(["klon.json"], cab="none")
    with rig.play(device="null") as stream:
        rig.blocks["model"].gain = 0.25
        rig.blocks["model"].on = False
        assert stream.get("model.gain") == 0.25 and stream.get("model.on") == 0.0


def test_what_cannot_be_set_is_told_and_changes_nothing():
    rig = rtfx.Rig([{"type": "gain", "id": "amp"}])
    with pytest.raises(UsageError, match="unknown key 'gian_db' .did you mean 'gain_db'"):
        rig.blocks["amp"].gian_db = 3.0
    with pytest.raises(UsageError, match="gain_db is 99"):
        rig.blocks["amp"].gain_db = 99
    with pytest.raises(AttributeError, match="amp has no parameter 'gian_db' .did you mean 'gain_db'"):
        _ = rig.blocks["amp"].gian_db
    assert rig.blocks["amp"].gain_db == 0.0 and list(rig.blocks) == ["amp"]
