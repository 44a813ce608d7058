"""Silence in, silence out: every rig starts at rest, also after a change of rigs, live and offline."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rtfx.api import Rig
from rtfx.batch import pieces
from rtfx.effects.klon import KLON
from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.engine.offline import Offline
from rtfx.engine.rest import LONGEST_SECONDS, STILL, UNIT, hisses
from rtfx.errors import RtfxError
from rtfx.model.load import load
from rtfx.model.nodes import Dense, Gru, Input, Rnn
from rtfx.model.spec import ModelSpec
from rtfx.plan.block import ReadyBlock
from rtfx.plan.chain import Plan, plan_chain

from .rigs import RATE, cab, chains, cut, drive, effect, engine, gru, lstm, model, noise, response, rig, tcn

ROOT = Path(__file__).parents[2]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
MODELS = sorted((ROOT / "models").glob("*.json"))
LOUDEST = 10.0 ** (-70.0 / 20.0)
OVER_IDLE = 2.0  # times the peak of a net's own noise, which varies from second to second
PEDAL_BOARD = [
    {"type": "klon", "gain": 1},
    {"type": "model", "file": "amp.json", "drive": 1},
    {"type": "cab", "file": "open-2x12.wav"},
]


def presets_of(path: Path) -> list[Rig]:
    return [Rig.from_yaml(path, number + 1) for number in range(len(Rig.from_yaml(path).presets))]


def rigs() -> dict[str, Rig]:
    """All shipped models and presets, and a chain that amplifies the pedal's offset most."""
    named = {f"{path.stem}:{r.preset.name}": r for path in PRESETS for r in presets_of(path)}
    named |= {path.stem: Rig([path]) for path in MODELS}
    return named | {"pedal board": Rig(PEDAL_BOARD)}


RIGS = rigs()


def silence(seconds: float, rate: float = RATE, channels: int = 1) -> np.ndarray:
    return np.zeros((round(seconds * rate), channels), np.float32)


def clicks(plan: Plan, block: int = 64, seconds: float = 1.0, idle: float = 0.5) -> tuple[float, float]:
    """Return the peak of a rig's first `seconds` of silence, and the bound: that of `idle` seconds after them."""
    y = Offline(plan, limiter=False, block=block).process(silence(seconds + idle, plan.sample_rate, plan.inputs))
    first = round(seconds * plan.sample_rate)
    return float(np.abs(y[:first]).max()), max(LOUDEST, OVER_IDLE * float(np.abs(y[first:]).max()))


@pytest.mark.parametrize("name", RIGS)
def test_what_is_shipped_starts_at_rest(name):
    for rate, channels, block in ((48000.0, 1, 64), (44100.0, 2, 512)):
        peak, allowed = clicks(RIGS[name].plan(rate, channels), block)
        assert peak <= allowed, f"{20 * np.log10(peak):.1f} dBFS at {rate:g} Hz"


@pytest.mark.slow
def test_every_shared_model_starts_at_rest(shared):
    """This includes nets with noise or oscillation of their own."""
    found, heard = {}, 0
    for path in sorted((shared / "models").rglob("*.*")):
        try:
            r = Rig([path])
            plan = r.plan(r.sample_rate or RATE, max((spec.inputs for spec in r.specs), default=1))
        except RtfxError:
            continue
        heard += 1
        peak, allowed = clicks(plan, block=512, seconds=0.5)
        if peak > allowed:
            found[path.name] = 20 * np.log10(peak)
    assert heard > 80 and not found


@pytest.mark.parametrize("block", [16, 64, 512])
def test_a_change_between_neighbours_is_silent(block):
    """Forwards and back through every set list, and once more before the fade has ended."""
    for path in PRESETS:
        templates = [EngineRig(r.plan(RATE)) for r in presets_of(path)]
        outputs = max(template.plan.outputs for template in templates)
        e = Engine(RATE, outputs=outputs, device_outputs=outputs, live=False, limiter=False)
        order = [*templates, *templates[::-1]]
        idle = max(clicks(template.plan, idle=0.25)[1] for template in templates)
        for before, after in pairwise(order):
            for one, frames in ((before, 2400), (after, 480), (before, 480), (after, 2400)):
                e.publish(EngineRig(one.plan, template=one))
                e.reclaim()
                assert np.abs(drive(e, silence(frames / RATE), cut(frames, block))).max() <= idle


def test_a_live_stream_is_silent_from_its_first_frame_through_every_change(tmp_path):
    """On the null device, with its own start fade and limiter; the test checks the recording."""
    import soundfile

    path = tmp_path / "take.wav"
    with Rig.from_yaml(PRESETS[0]).play(device="null", input=silence(2.0)[:, 0], record=path, block_size=64) as stream:
        stream.wait(0.4)
        for number in (1, 2, 0, 2, 1):
            stream.controller.presets[number].blocks[1].values["gain"] = (
                0.5 + 0.1 * number
            )  # as after a turn of the knob
            stream.select(number)
            stream.wait(0.2)
        swaps = int(stream.engine.record["swaps"])
        stream.wait()
    take, _ = soundfile.read(path, dtype="float32")
    assert swaps == 6 and len(take) >= 96000
    assert np.abs(take).max() <= LOUDEST


@pytest.mark.parametrize("gain", [0.0, 0.3, 1.0])
def test_a_rig_rests_at_the_values_that_it_starts_at(gain):
    """A knob moves the offset of a net: a rig that starts at another value starts at that value's offset."""
    player = Offline(Rig(PEDAL_BOARD).plan(RATE), limiter=False)
    values = [dict(block.source.values) for block in player.plan.blocks]
    values[0]["gain"], values[0]["tone"] = gain, 1.0 - gain
    player.reset(values)
    assert np.abs(player.process(silence(0.5))).max() <= LOUDEST


LOUD = {"klon": {"gain": 1, "tone": 1, "level": 1}, "screamer.json": {"drive": 1}, "amp.json": {"drive": 1}}
LOUD |= {"combo.json": {"volume": 1}, "stack.json": {"input_db": 20}, "rodent.json": {"gain": 1}}


@pytest.mark.parametrize(
    "names",
    ["klon stack.json", "klon screamer.json combo.json", "klon rodent.json amp.json", "screamer.json stack.json"],
)
def test_chains_of_any_gain_start_with_no_more_than_they_hiss(names):
    """Each block is at rest by itself, but the gain after it amplifies its remaining offset by 60 dB and more."""
    words = names.split()
    what = [{"type": "klon"} if name == "klon" else {"type": "model", "file": name} for name in words]
    chain = [block | {"id": f"b{n}"} | LOUD[name] for n, (block, name) in enumerate(zip(what, words, strict=True))]
    peak, allowed = clicks(Rig(chain).plan(RATE), idle=1.0)
    assert peak <= allowed


def biased(offset: float = 0.5) -> ModelSpec:
    """A wire with an offset that no filter removes."""
    return replace(straight(offset), dc_block=False)


def straight(offset: float = 0.5, prewarm: str | int = 0) -> ModelSpec:
    dense = Dense((0,), weight=np.ones((1, 1)), bias=np.array([offset]))
    return ModelSpec("test", (Input(()), dense), name="test", prewarm=prewarm)


def test_a_blocker_starts_at_an_offset_that_needs_no_prewarm():
    """A model without memory, as NAM's Linear, has no prewarm; the blocker after it still starts at its offset."""
    assert (drive(engine([model(straight())]), silence(0.2)) == 0.0).all()


@pytest.mark.parametrize(
    "chain",
    [
        [model(biased())],
        [model(biased()), effect("eq", low_cut_hz=40.0, bell1_db=9.0, high_shelf_db=-6.0)],
        [model(biased()), cab(response(6000))],
        [model(biased()), effect("gate"), model(gru(), "second"), effect("eq", low_shelf_db=6.0)],
        [model(biased()), effect("eq", low_cut_hz=20.0), model(lstm(), "second", drive=0.9)],
        [model(biased()), model(tcn(), "second"), cab(response())],
        [model(biased()), ReadyBlock("klon", KLON, KLON.complete({"mode": "circuit", "gain": 0.6}))],
        [model(biased()), ReadyBlock("klon", KLON, KLON.complete({}), net=load("klon.json"))],
    ],
    ids=lambda chain: "-".join(block.id for block in chain),
)
def test_what_follows_an_offset_rests_on_it(chain):
    """Filters, histories and nets after a constant start as if it had always been there: no step, no drift."""
    y = drive(engine(chain, limiter=False), silence(3.0))
    moved = np.abs(y - y[-4800:].mean()).max()
    assert moved <= LOUDEST, f"{20 * np.log10(moved):.1f} dBFS"
    if len(chain) == 1:
        assert np.abs(y - 0.5).max() == 0.0


def slow(frames: float) -> ModelSpec:
    """A GRU whose distance from its rest falls to 1/e in a number of frames."""
    keep = np.log(frames - 1.0)  # its logistic function is the share of the state that remains after a frame
    cell = Gru(
        (0,),
        weight_ih=np.zeros((3, 1)),
        weight_hh=np.zeros((3, 1)),
        bias_ih=np.array([0.0, keep, 0.8]),
        bias_hh=np.zeros(3),
    )
    return ModelSpec("test", (Input(()), cell), name="test")


def turning(angle: float) -> ModelSpec:
    """An Elman network whose two units rotate by `angle` at each frame; their gain for small signals is 1.2."""
    turn = 1.2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cell = Rnn((0,), weight_ih=np.zeros((2, 1)), weight_hh=turn, bias=np.array([0.01, 0.0]))
    return ModelSpec("test", (Input(()), cell, Dense((1,), weight=np.ones((1, 2)), bias=np.zeros(1))), name="test")


def test_a_net_that_its_own_prewarm_leaves_in_motion_is_run_until_it_rests():
    """For the model LittleBigMuff, for example, 2048 zeros are not enough."""
    spec = slow(2400.0)
    restless = drive(engine([model(spec, bare=True)]), silence(0.5))
    assert np.abs(restless - restless[-1]).max() > 0.1
    assert np.abs(drive(engine([model(spec)]), silence(0.5))).max() <= LOUDEST


def test_a_net_at_rest_costs_its_prewarm_and_one_look():
    for spec in (tcn(), straight()):
        rested = rig([model(spec)]).rested
        assert rested.frames <= spec.prewarm_frames + 2 * UNIT
    assert rig(chains()["gain"]).rested.frames == 0
    assert rig([effect("gate"), effect("eq"), cab(response())]).rested.frames == 0, "effects start at rest"


def test_a_net_that_never_rests_is_not_waited_for():
    made = rig([model(turning(0.6))])
    assert made.rested.frames <= LONGEST_SECONDS * RATE + 2048
    e = engine([model(turning(0.6))])
    assert np.abs(drive(e, silence(0.1))).max() > 0.01, "it does oscillate"


def test_bare_and_cold_are_as_their_definitions_say():
    spec = slow(2400.0)
    bare = rig([model(spec, bare=True), model(gru(), "second", bare=True)]).rested
    assert bare.frames == 2 * 2048
    assert EngineRig(plan_chain([model(spec), cab(response())], RATE, 1), cold=True).rested.frames == 0


def test_a_fault_brings_back_a_rig_at_rest():
    """A restarted rig has the same initial state as at its first start."""
    spec = slow(2400.0)
    made = rig([model(spec)])
    first = int(made.record["image_offset"])
    assert np.array_equal(made.image, made.memory[first:])


def test_hiss_is_told_from_drift_and_from_ringing():
    steady = [2e-5] * 8
    assert hisses(steady, [1e-6] * 8)
    assert not hisses(steady[:7], [1e-6] * 7), "too early to say"
    assert not hisses(steady, [1e-5] * 8), "it drifts"
    assert not hisses([2e-5 * 0.9**n for n in range(20)], [1e-7] * 20), "it rings down"
    assert not hisses([0.1] * 8, [1e-4] * 8), "loud: waited for"
    assert STILL < 1e-5


def test_offline_is_live_bit_for_bit_from_rest():
    """The start is the same for every block size."""
    chain, x = [model(slow(2400.0)), effect("eq", low_cut_hz=60.0)], noise(4000)
    outputs = [drive(engine(chain), x, [size] * (4000 // size)) for size in (16, 80, 500)]
    assert np.array_equal(outputs[0], outputs[1]) and np.array_equal(outputs[0], outputs[2])


def test_pieces_of_a_file_are_not_cut_where_a_block_rests_on_an_offset():
    """A stage that is rendered alone would start from silence."""
    with pytest.raises(pieces.Uncuttable):
        pieces._means(plan_chain([model(biased()), model(tcn(), "second")], RATE, 1), cold=False)
    assert len(pieces._means(plan_chain([model(straight()), model(tcn(), "second")], RATE, 1), cold=False)) == 2
