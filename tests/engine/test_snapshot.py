"""An engine's state is copied whole or not at all, and an engine that gets it goes on bit for bit."""

import re

import numpy as np

from rtfx.engine import snapshot as module
from rtfx.engine.engine import Engine
from rtfx.engine.rig import EngineRig
from rtfx.engine.snapshot import COPY, packed, restore, snapshot, unpack

from .rigs import RATE, cab, drive, effect, engine, gru, model, noise, playing, response

CHAIN = [effect("gate"), model(gru()), effect("eq", bell1_db=6.0), cab(response(700))]


def test_an_engine_goes_on_from_a_copied_state():
    first = engine(CHAIN, in_gain=2.0)
    x = noise(9000, level=0.5)
    drive(first, x[:5000])
    state = snapshot(first)
    expected = drive(first, x[5000:])
    assert state.frame == 5000 and state.numbers.count(0) == 3
    number = max(state.numbers)
    rig = EngineRig(playing(first).plan)
    assert unpack(rig, *packed(state.arenas[number]))
    second = Engine(RATE, live=False)
    restore(second, state.engine, {number: rig}, list(state.numbers))
    assert np.array_equal(drive(second, x[5000:]), expected)
    assert second.clock == 9000
    assert not unpack(EngineRig(playing(engine([model(gru(5))])).plan), *packed(state.arenas[number]))


def test_a_copy_into_which_a_callback_fell_is_thrown_away():
    """The copy itself moves the counter: as if a callback had begun meanwhile."""
    turn, changed, target = (np.zeros(1, np.int64) for _ in range(3))
    changed[0] = 2
    address = turn.ctypes.data
    moves = np.array([[changed.ctypes.data, address, 8]], np.int64)
    assert COPY(address, moves.ctypes.data, 1) == 0 and turn[0] == 2
    moves = np.array([[changed.ctypes.data, target.ctypes.data, 8]], np.int64)
    assert COPY(address, moves.ctypes.data, 1) == 1 and target[0] == 2
    turn[0] = 3
    assert COPY(address, moves.ctypes.data, 1) == 0, "one is under way"


def test_marking_a_callback_waits_for_no_store():
    """On x86 stores keep their order; a full barrier would let each block wait for those before it."""
    code = COPY.uncompiled().library.get_asm_str()
    assert "memmove" in code and not re.search(r"mfence|\block\b", code)


def test_no_pause_gives_no_copy(monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 3)
    e = engine([effect("gate")])
    drive(e, noise(100))
    e.record["turn"] += 1
    assert snapshot(e) is None
