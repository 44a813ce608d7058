"""Changes of rigs: curves against NumPy, tails that continue, no free slots, the start and the end of a stream."""

import numpy as np
import pytest

from rtfx.engine.engine import Engine
from rtfx.engine.layout import FREE, SLOTS

from .rigs import RATE, cab, chains, cut, drive, engine, gain, model, noise, response, rig, tcn

FADE = 960  # 20 ms
QUICK = 240  # 5 ms
HALF = np.full((1, 1), 0.5, np.float32)


def level(db: float) -> np.float32:
    return np.float32(0.5) * np.float32(10.0 ** (db / 20.0))


def constant(frames: int) -> np.ndarray:
    return np.repeat(HALF, frames, axis=0)


def position(frames: int) -> np.ndarray:
    """Return the fade position of each frame since a rig was taken."""
    return np.minimum(np.arange(1, frames + 1) / FADE, 1.0)


@pytest.mark.parametrize("block", [1, 64, 65, 512, "random"])
def test_equal_gain_between_rigs_of_one_graph(block):
    e = engine([gain(0.0)])
    before = drive(e, constant(640), cut(640, block))
    e.publish(rig([gain(-12.0)]))
    after = drive(e, constant(2000), cut(2000, block))[:, 0]
    assert (before == 0.5).all()
    p = position(2000)
    assert np.abs(after - (level(0.0) * (1.0 - p) + level(-12.0) * p)).max() < 1e-6
    assert (after[FADE:] == level(-12.0)).all()


@pytest.mark.parametrize("block", [1, 64, 65, 512, "random"])
def test_equal_power_between_different_graphs(block):
    e = engine([gain(0.0)])
    drive(e, constant(640))
    e.publish(rig([gain(-6.0), gain(-6.0)]))
    after = drive(e, constant(2000), cut(2000, block))[:, 0]
    p = position(2000)
    exact = level(0.0) * np.sin(np.pi / 2 * (1.0 - p)) + level(-12.0) * np.sin(np.pi / 2 * p)
    assert np.abs(after - exact).max() < 1e-6


def test_the_old_rig_goes_back_when_its_fade_has_ended():
    e = engine([gain(0.0)])
    freed = []
    e.on_free = freed.append
    first = next(iter(e.rigs.values()))
    drive(e, constant(64))
    e.publish(rig([gain(-3.0)]))
    drive(e, constant(FADE - 64))
    assert e.reclaim() == 0
    drive(e, constant(128))
    assert e.reclaim() == 1
    assert freed == [first]
    assert len(e.rigs) == 1
    assert [int(slot["phase"]) for slot in e.record["slots"]].count(FREE) == SLOTS - 1


@pytest.mark.parametrize("block", [16, 64, 512, "random"])
def test_tails_ring_on(block):
    """The old rig's input fades out, the tail of its earlier input decays fully; then the rig is given back."""
    taps = response(4000)
    taps[:1500] = 0.0  # all of it comes late: cutting the tail would silence it
    e = engine([cab(taps)], limiter=False)
    x = noise(2000)
    quiet = np.zeros((9000, 1), np.float32)
    before = drive(e, x, cut(2000, block))
    e.publish(rig([gain(0.0)]))
    # the input continues for 500 frames after the swap
    more = np.concatenate([noise(500, seed=5), quiet])
    after = drive(e, more, cut(len(more), block))[:, 0]
    heard = np.concatenate([x[:, 0], more[:, 0] * np.sin(np.pi / 2 * (1.0 - position(len(more))))]).astype(np.float64)
    old = np.convolve(heard, taps)[: len(heard)]
    new = more[:, 0] * np.sin(np.pi / 2 * position(len(more)))
    assert np.abs(before[:, 0] - old[:2000]).max() < 1e-5
    # at full level until its tail time ends, which is at the end of a block
    certain = len(taps) - 1
    assert np.abs(after[:certain] - (old[2000:] + new)[:certain]).max() < 1e-5
    assert np.abs(old[2000 + FADE : 2000 + certain]).max() > 0.01
    assert (after[FADE + certain + 2 * 700 + QUICK :] == 0.0).all()
    assert e.reclaim() == 1


@pytest.mark.parametrize("frames", [300, 1500, 4000])
def test_a_tail_ends_without_a_step_while_the_guitar_goes_on(frames):
    """A rig whose tail still sounds gets no more input, not even during its final fade-out."""
    late = np.zeros(frames)
    late[[0, -1]] = 0.5
    e = engine([cab(late)], limiter=False)
    drive(e, constant(5000))
    e.publish(rig([gain(0.0)]))
    y = drive(e, constant(12000))[:, 0]
    assert np.abs(np.diff(y)).max() < 1.01 * 0.5 * np.pi / 2 * 2 / FADE
    assert (y[FADE + frames + 64 + QUICK :] == 0.5).all()


def test_a_quiet_tail_ends_early():
    """A tail that is below -100 dBFS for a tenth of a second counts as ended, even if the rig states a longer tail."""
    taps = np.zeros(8000)
    taps[:100] = 0.1
    taps[-1] = 1e-9
    e = engine([cab(taps)])
    drive(e, noise(500))
    e.publish(rig([gain(0.0)]))
    drive(e, np.zeros((FADE + 100 + 4800 + QUICK + 3 * 64, 1), np.float32))
    assert e.reclaim() == 1


def test_twenty_rigs_within_one_fade():
    """No slot is free: the oldest rig fades faster, the newest waiting rig is taken, nothing leaks."""
    e = engine([gain(0.0)], limiter=False)
    freed = []
    e.on_free = freed.append
    everything = list(e.rigs.values())
    drive(e, constant(64))
    steps = []
    for number in range(20):
        everything.append(rig([gain(-0.5 * number - 0.5)]))
        e.publish(everything[-1])
        steps.append(drive(e, constant(16), [16]))
    y = np.concatenate([*steps, drive(e, constant(6 * FADE))])[:, 0]
    e.reclaim()
    assert (y[-100:] == level(-10.0)).all()
    assert list(e.rigs.values()) == [everything[-1]]
    assert len(freed) == 20 and set(map(id, freed)) == set(map(id, everything[:-1]))
    # at most five rigs sound at once, each changing by its share of a fade, or of the quick one
    assert np.abs(np.diff(y)).max() < 0.5 * (SLOTS / FADE + 1.0 / QUICK)


def test_slots_run_out_with_tails():
    """Four tails hold all slots: the oldest is faded out in 5 ms, and only then the newest rig gets its slot."""
    e = engine([cab(np.full(20000, 1.0 / 20000))], limiter=False)
    published = 12
    results = [drive(e, constant(30000))[-64:]]  # every tail stays at half of full scale for long
    for number in range(published):
        e.publish(rig([cab(np.full(20000 + number, 1.0 / (20000 + number)))]))
        results.append(drive(e, constant(FADE)))  # at full level when the next rig comes, so it will ring
        if number + 1 < SLOTS:
            assert int(e.record["swaps"]) == number + 2
    for _ in range(2):  # two more within the 5 ms: the first of them never plays
        e.publish(rig([gain(-1.0)]))
    assert len(e.rigs) == SLOTS + 1
    results.append(drive(e, constant(FADE)))
    y = np.concatenate(results)[:, 0]
    assert np.abs(np.diff(y)).max() < 0.5 * (np.pi / 2 * SLOTS / FADE + 1.0 / QUICK)
    drive(e, constant(60000))
    e.reclaim()
    assert len(e.rigs) == 1


def test_a_rig_replaced_while_it_fades_in_makes_no_step():
    """Its gain continues from its current value, with or without a tail, for any curve of the next fade."""
    late = np.zeros(200)
    late[[0, -1]] = 0.5, 0.5
    for chains_in_turn in (
        [[gain(0.0)], [cab(late)], [gain(-1.0), gain(0.0)]],
        [[gain(0.0)], [gain(-2.0)], [gain(-1.0), gain(0.0)]],
        [[gain(0.0)], [gain(-2.0), gain(0.0)], [gain(-1.0), gain(0.0)]],
    ):
        e = engine(chains_in_turn[0], limiter=False)
        results = [drive(e, constant(64))]
        for chain in chains_in_turn[1:]:
            e.publish(rig(chain))
            results.append(drive(e, constant(FADE // 2)))
        results.append(drive(e, constant(3000)))
        y = np.concatenate(results)[:, 0]
        # the cabinet itself steps when its late tap first sounds: by half of its gain then
        steps = np.abs(np.diff(y))
        assert np.sort(steps)[-2] < 0.5 * 3 * np.pi / 2 / FADE


def test_rigs_of_other_widths_share_one_engine():
    """A rig of one channel plays on every row."""
    stereo = rig([cab(np.array([[1.0, 0.0], [0.25, 0.0]]))])
    e = Engine(RATE, outputs=2, device_outputs=2, live=False)
    e.publish(rig([gain(0.0)]))
    y = drive(e, constant(64))
    assert (y == 0.5).all()
    e.publish(stereo)
    drive(e, constant(3000))
    y = drive(e, constant(64))
    assert np.abs(y - [0.5, 0.125]).max() < 1e-6


def test_start_and_stop_fades_are_the_last_multiplication():
    x = noise(40000, level=0.3)
    chain = chains()["gru"]
    plain = drive(engine(chain), x)
    e = engine(chain, live=True)
    e.stop_at(30000)
    y = drive(e, x)
    start = np.minimum(np.arange(40000) / 14400, 1.0)
    stop = np.clip((30000 - np.arange(40000)) / FADE, 0.0, 1.0)
    assert np.abs(y[:, 0] - plain[:, 0] * start * stop).max() < 1e-6
    assert np.array_equal(y[14400 : 30000 - FADE], plain[14400 : 30000 - FADE])
    assert (y[30000:] == 0.0).all() and y[0] == 0.0


def test_stop_soon_keeps_an_earlier_stop():
    e = engine([gain(0.0)])
    drive(e, constant(128))
    end = e.stop_soon()
    assert end == 128 + 2 * 64 + FADE
    drive(e, constant(256))
    assert e.stop_soon() == end
    y = drive(e, constant(FADE))
    assert (y[end - 384 :] == 0.0).all()
    assert np.abs(np.diff(y[:, 0])).max() < 1.01 * 0.5 / FADE


def test_prewarmed_rigs_take_over_without_a_thump():
    """A network with a DC offset of its own starts from rest at a swap, and so does the blocker behind it."""
    e = engine([gain(-60.0)])
    silence = np.zeros((4000, 1), np.float32)
    drive(e, silence[:64])
    e.publish(rig([model(tcn())]))
    y = drive(e, silence)
    e.publish(rig([model(tcn(seed=4))]))
    y = np.concatenate([y, drive(e, silence)])
    assert np.abs(y).max() < 2e-3
