"""Opening a stream: numbers out of range, the channel of a file, models by their own name, devices by flag."""

from pathlib import Path

import numpy as np
import pytest

import rtfx
from rtfx.errors import UsageError
from rtfx.live.settings import StreamSettings
from rtfx.rig.presets import SetList


@pytest.fixture
def rig():
    return rtfx.Rig([rtfx.load("klon.json")])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_rate", float("nan")),
        ("sample_rate", -1),
        ("sample_rate", "fast"),
        ("block_size", -3),
        ("seconds", float("nan")),
        ("in_channel", 0),
    ],
)
def test_numbers_out_of_range_are_refused(rig, name, value):
    with pytest.raises(UsageError, match=f"{name} is {value!r}, expected"):
        rig.play(device="null", **{name: value})


@pytest.mark.parametrize("name", ["", "a:b", "x" * 49, 7])
def test_a_name_that_no_client_can_have_is_refused(rig, name):
    with pytest.raises(UsageError, match="name is .*, expected 1 to 48 bytes without a colon"):
        rig.play(device="null", name=name)


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (lambda stream: setattr(stream, "in_gain_db", float("nan")), "in_gain_db is nan, expected a number"),
        (lambda stream: setattr(stream, "out_gain_db", 1e6), "out_gain_db is 1000000.0, expected a number"),
        (lambda stream: setattr(stream, "out_gain_db", "loud"), "out_gain_db is 'loud', expected a number"),
        (lambda stream: setattr(stream, "in_channel", "a"), "in_channel is 'a', expected a channel from 1"),
        (lambda stream: stream.select("clean"), "preset is 'clean', expected its index, 0 to 0"),
        (lambda stream: stream.set(3, 1.0), "parameter is 3, expected block.name"),
    ],
)
def test_what_cannot_be_turned_is_said_and_the_sound_goes_on(playing, turn, said):
    with pytest.raises(UsageError, match=said):
        turn(playing)
    assert playing.in_gain_db == playing.out_gain_db == 0.0 and playing.in_channel == 1 and playing.active


@pytest.fixture(scope="module")
def playing():
    with rtfx.Rig([rtfx.load("klon.json")]).play(device="null") as stream:
        yield stream


def test_a_setting_that_does_not_exist_is_named(rig):
    with pytest.raises(UsageError, match=r"no setting 'recrod' \(did you mean 'record'\?\)"):
        rig.play(device="null", recrod="x.wav")


def test_a_channel_that_the_input_lacks_is_refused(rig):
    with pytest.raises(UsageError, match="in-channel is 3, but the input has 2"):
        rig.play(device="null", input=np.zeros((2, 100)), in_channel=3)


def test_the_second_channel_of_a_file_plays(rig, tmp_path):
    import soundfile

    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 24000)).astype(np.float32)
    with rig.play(device="null", input=audio, in_channel=2, record=tmp_path / "take.wav", seconds=0.5) as stream:
        stream.wait()
    take, _ = soundfile.read(tmp_path / "take.wav", dtype="float32")
    faded = slice(15000, 22000)
    np.testing.assert_array_equal(take[faded], rig(audio[1], 48000)[faded])


def test_a_stereo_file_plays_in_stereo(rig, tmp_path):
    import soundfile

    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 24000)).astype(np.float32)
    with rig.play(device="null", input=audio, record=tmp_path / "take.wav", seconds=0.5) as stream:
        assert list(stream.heard) == [0, 1] and stream.in_channel_choices == 1
        stream.wait()
    take, _ = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)
    faded = slice(15000, 22000)
    np.testing.assert_array_equal(take[faded].T, rig(audio, 48000)[:, faded])
    assert np.abs(take[faded, 0] - take[faded, 1]).max() > 0.01


def test_a_model_goes_by_its_own_name_too(rig):
    with rig.play(device="null", seconds=0.1) as stream:
        stream.set("klon.gain", 0.7)
        assert stream.get("model.gain") == stream.get("klon.gain") == stream.get("gain") == 0.7
        with pytest.raises(UsageError, match="no parameter 'klom.gain'"):
            stream.set("klom.gain", 0.7)


def test_a_device_that_is_named_stands_for_both_of_the_set_lists():
    said = SetList(Path("gig.yaml"), device={"input": "Scarlett", "output": "Headphones", "sample_rate": 44100})
    asked = StreamSettings(device="system").beside(said)
    assert (asked.device, asked.input_device, asked.output_device, asked.sample_rate) == ("system", None, None, 44100)
    asked = StreamSettings(input_device="system").beside(said)
    assert (asked.input_device, asked.output_device) == ("system", "Headphones")
