"""What messages of pedal boards do to a stream: the map, switches, pedals, encoders, programs, learning."""

import time

import pytest
import yaml

from rtfx.errors import PresetError, UsageError
from rtfx.live.knobs import norm_of
from rtfx.loading.preset import Knob
from rtfx.remote import midi as module
from rtfx.remote.midi import Clock, Midi, MidiSettings, place_of, steps_of, user_file, value_of
from rtfx.remote.midi_parser import CC, CLOCK, NOTE_OFF, NOTE_ON, PC, START, STOP, Message
from rtfx.remote.midi_ports import is_wanted
from rtfx.rig.controls import TEMPO_BPM
from rtfx.rig.midi_map import Mapping, MidiMap
from rtfx.rig.parameters import BPM, Parameter
from tests.live.eventually import eventually


@pytest.fixture(autouse=True)
def own_files(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "user_file", lambda name: tmp_path / name)
    return tmp_path


class Port:
    """An output that keeps what is sent."""

    def __init__(self):
        self.sent = []

    def send_message(self, message):
        self.sent.append(message)

    def get_message(self):
        return None

    def delete(self):
        pass


@pytest.fixture
def midi(stream):
    """A surface with the mappings of the test, which gets its messages from the test."""

    def made(*mappings, **more):
        return Midi(stream, MidiSettings(), MidiMap(tuple(mappings), **more))

    return made


def cc(number, *values, channel=1):
    return [Message(CC, channel, (number, value)) for value in values]


BOOST = Mapping("cc", 11, to="boost.gain_db", start=-20, end=0)


def test_a_pedal_moves_a_parameter_in_its_own_unit(stream, midi):
    surface = midi(BOOST)
    for value, expected in ((0, -20.0), (127, 0.0), (64, -20.0 + 20.0 * 64 / 127)):
        surface.take("board", cc(11, value))
        assert stream.get("boost.gain_db") == pytest.approx(expected)


def test_of_many_messages_the_last_is_set_once(stream, midi, monkeypatch):
    surface, applied = midi(BOOST), []
    monkeypatch.setattr(stream, "set_many", lambda values, remember: applied.append((values, remember)))
    surface.take("board", cc(11, *range(128)))
    assert applied == [({"boost.gain_db": 0.0}, False)]


def test_undo_does_not_go_back_through_pedals(stream, midi):
    stream.set("boost.gain_db", -3.0)
    midi(BOOST).take("board", cc(11, 127, 0))
    assert stream.do("undo") == "nothing to undo"


@pytest.mark.parametrize(
    ("mapping", "device", "channel", "moved"),
    [
        (BOOST, "board:1", 5, True),
        (Mapping("cc", 11, 5, to="boost.gain_db"), "board:1", 5, True),
        (Mapping("cc", 11, 6, to="boost.gain_db"), "board:1", 5, False),
        (Mapping("cc", 11, None, "Board", to="boost.gain_db"), "board:1", 5, True),
        (Mapping("cc", 11, None, "other", to="boost.gain_db"), "board:1", 5, False),
        (Mapping("cc", 12, to="boost.gain_db"), "board:1", 5, False),
        (Mapping("note", 11, to="boost.gain_db"), "board:1", 5, False),
    ],
)
def test_channel_and_device_choose(stream, midi, mapping, device, channel, moved):
    midi(mapping).take(device, cc(11, 127, channel=channel))
    assert (stream.get("boost.gain_db") != -6.0) == moved


@pytest.mark.parametrize(
    ("values", "presses"),
    [
        ([127, 0, 127, 0], 2),
        ([127, 127, 127], 1),
        ([100, 110, 127, 64], 1),
        ([63, 64, 63, 64], 2),
        ([0, 0], 0),
    ],
)
def test_a_switch_acts_when_it_is_pressed(stream, midi, values, presses):
    midi(Mapping("cc", 64, do="next")).take("board", cc(64, *values))
    assert stream.preset == presses


def test_a_switch_that_sends_nothing_when_let_go(stream, midi, monkeypatch):
    surface, now = midi(Mapping("cc", 64, do="next")), [10.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    for pause in (0.0, 0.5, 0.5, 0.01, 0.01):  # three steps, then a stuck pedal
        now[0] += pause
        surface.take("board", cc(64, 127))
    assert stream.preset == 0  # three presets on, of three


def test_press_and_release(stream, midi):
    surface = midi(Mapping("note", 60, do="mute on", release="mute off"))
    surface.take("board", [Message(NOTE_ON, 1, (60, 5))])
    assert stream.mute
    surface.take("board", [Message(NOTE_OFF, 1, (60, 0))])
    assert not stream.mute


@pytest.mark.parametrize(
    ("mode", "found"), [("toggle", [0.0, 0.0, -20.0, -20.0]), ("momentary", [0.0, -20.0, 0.0, -20.0])]
)
def test_toggle_and_momentary(stream, midi, mode, found):
    surface = midi(Mapping("cc", 80, to="boost.gain_db", mode=mode, start=-20, end=0))
    values = []
    for value in (127, 0, 127, 0):
        surface.take("board", cc(80, value))
        values.append(stream.get("boost.gain_db"))
    assert values == found


@pytest.mark.parametrize(
    ("mode", "value", "steps"),
    [
        ("twos", 1, 1), ("twos", 127, -1), ("twos", 65, -63), ("offset", 65, 1), ("offset", 63, -1), ("offset", 64, 0),
        ("sign", 1, 1), ("sign", 65, -1), ("sign", 0, 0),
    ],
)  # fmt: skip
def test_endless_encoders(stream, midi, mode, value, steps):
    assert steps_of(mode, value) == steps
    midi(Mapping("cc", 7, to="boost.gain_db", mode=mode)).take("board", cc(7, value))
    assert stream.get("boost.gain_db") == max(-6.0 + steps, stream.find("boost.gain_db").parameter.minimum)


def test_a_knob_is_taken_over_when_the_control_reaches_it(stream, midi):
    surface = midi(Mapping("cc", 11, to="boost.gain_db", start=-20, end=0, takeover=True))
    surface.take("board", cc(11, 0))
    assert stream.get("boost.gain_db") == -6.0
    surface.take("board", cc(11, 60))
    assert stream.get("boost.gain_db") == -6.0
    surface.take("board", cc(11, 100))  # passes -6 dB on the way
    assert stream.get("boost.gain_db") == pytest.approx(-20.0 + 20.0 * 100 / 127)
    surface.take("board", cc(11, 10))
    assert stream.get("boost.gain_db") == pytest.approx(-20.0 + 20.0 * 10 / 127)
    stream.set("boost.gain_db", -3.0)  # a hand on the phone: the pedal must reach it again
    surface.take("board", cc(11, 20))
    assert stream.get("boost.gain_db") == -3.0


@pytest.mark.parametrize(
    ("messages", "preset"),
    [
        ([Message(PC, 1, (1,))], 1),
        ([*cc(0, 0), *cc(32, 0), Message(PC, 16, (2,))], 2),
        ([*cc(0, 1), Message(PC, 1, (1,))], 0),
        ([Message(PC, 1, (9,))], 0),
        ([*cc(32, 1), Message(PC, 1, (1,)), *cc(32, 0), Message(PC, 1, (2,))], 2),
    ],
)
def test_program_changes_select_presets(stream, midi, messages, preset):
    midi().take("board", messages)
    assert stream.preset == preset


def test_a_program_that_is_mapped_does_what_the_map_says(stream, midi):
    midi(Mapping("pc", 1, do="mute on")).take("board", [Message(PC, 1, (1,))])
    assert stream.mute and stream.preset == 0
    midi(programs=False).take("board", [Message(PC, 1, (2,))])
    assert stream.preset == 0


def test_a_program_beyond_the_last_preset_is_told(stream, midi):
    midi().take("board", [Message(PC, 1, (9,))])
    assert stream.news() == ["MIDI: there is no preset 10: 3 in all"]


def test_a_parameter_that_the_preset_lacks_is_told_once(stream, midi):
    surface = midi(Mapping("cc", 11, to="wah.position"), Mapping("cc", 11, to="boost.gain_db"))
    surface.take("board", cc(11, 1, 2, 3))
    surface.take("board", cc(11, 127))
    assert len(stream.news()) == 1 and stream.get("boost.gain_db") > 0.0


def test_the_order_of_pedals_and_switches_is_kept(stream, midi):
    surface = midi(BOOST, Mapping("cc", 64, do="next"))
    surface.take("board", [*cc(11, 127), *cc(64, 127), *cc(11, 0)])
    assert stream.get("boost.gain_db") == -20.0
    stream.do("previous")
    assert stream.get("boost.gain_db") == 0.0


def test_a_wrong_command_is_told_and_the_rest_goes_on(stream, midi):
    surface = midi(Mapping("cc", 64, do="nonsense"), Mapping("cc", 64, do="next"))
    surface.take("board", cc(64, 127))
    assert stream.preset == 1 and "no command 'nonsense'" in stream.news()[0]


def test_clock():
    clock = Clock()
    clock.take(START, 0.0)
    for tick in range(100):
        clock.take(CLOCK, 0.5 * tick / 24)
    assert (clock.ticks, clock.running, clock.bpm) == (100, True, pytest.approx(120.0))
    clock.take(STOP, 3.0)
    assert not clock.running and clock.ticks == 100


@pytest.mark.parametrize(("follows", "bpm"), [(None, 90.0), (False, 120.0)])
def test_the_tempo_follows_the_clock(stream, midi, monkeypatch, follows, bpm):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    tempo = Knob(TEMPO_BPM, BPM, {"bpm": 120.0})
    monkeypatch.setattr(type(stream), "knobs", {TEMPO_BPM: tempo})
    monkeypatch.setattr(stream, "set_many", lambda values, remember: tempo.values.update(bpm=values[TEMPO_BPM]))
    surface = midi(clock=follows)
    for _ in range(100):
        surface.take("drums", [Message(CLOCK, 0)])
        now[0] += 60.0 / 90.0 / 24.0
    assert tempo.value == bpm


DRIVE, CENTRE = Parameter("drive", 0.5), Parameter("hz", 400.0, 20.0, 20000.0, "Hz")
MODE = Parameter("mode", "a", kind="stepped", choices=("a", "b", "c"))


@pytest.mark.parametrize(
    ("parameter", "mapping", "value", "found"),
    [
        (DRIVE, {}, 127, 1.0),
        (DRIVE, {"start": 0.2, "end": 0.8}, 127, 0.8),
        (DRIVE, {"start": 0.8, "end": 0.2}, 0, 0.8),
        (DRIVE, {"start": 0.5}, 0, 0.5),
        (CENTRE, {}, 127, 20000.0),
        (CENTRE, {"start": 100, "end": 10000, "high": 100}, 50, 1000.0),
        (MODE, {}, 64, "b"),
        (MODE, {"start": "c", "end": "a"}, 0, "c"),
    ],
)
def test_values_and_back(parameter, mapping, value, found):
    mapping = Mapping("cc", 1, to="x.y", **mapping)
    values = {parameter.name: parameter.default}
    knob = Knob("x.y", parameter, values)
    values[parameter.name] = value_of(mapping, knob, value)
    assert knob.value == (found if isinstance(found, str) else pytest.approx(found)) and norm_of(knob) is not None
    if mapping.end != "a":
        assert mapping.sent(place_of(mapping, knob)) == pytest.approx(value, abs=1)


# --- learning ---


def learned(surface, target, messages):
    assert surface.learn(target).startswith(f"move the control for {target}")
    surface.take("board", messages)
    assert surface.state()["learning"] == target
    surface._keep(surface._learner)
    assert surface.state()["learning"] == ""


@pytest.mark.parametrize(
    ("target", "messages", "mapping"),
    [
        ("boost.gain_db", cc(4, 8, 20, 60, 119), Mapping("cc", 4, 1, to="boost.gain_db", low=8, high=119)),
        ("boost.gain_db", cc(4, 127), Mapping("cc", 4, 1, to="boost.gain_db", mode="toggle")),
        ("boost.gain_db", cc(4, 63, 64), Mapping("cc", 4, 1, to="boost.gain_db")),
        ("next", cc(4, 127, 0), Mapping("cc", 4, 1, do="next")),
        ("toggle boost.gain_db", [Message(NOTE_ON, 3, (60, 9))], Mapping("note", 60, 3, do="toggle boost.gain_db")),
        ("preset 3", [*cc(0, 0), Message(PC, 1, (5,))], Mapping("pc", 5, 1, do="preset 3")),
    ],
)  # fmt: skip
def test_a_control_is_learned_and_kept(stream, midi, own_files, target, messages, mapping):
    surface = midi()
    learned(surface, target, [*messages, *cc(99, 3)])
    assert surface.map.mappings == (mapping,)
    assert MidiSettings().read(None).mappings == (mapping,), "it is there at the next start"
    assert stream.news()[-1] == f"{mapping.control}: {target}"
    assert surface.forget(target) == f"forgotten: {mapping.control}"
    assert surface.map.mappings == () == MidiSettings().read(None).mappings


def test_learning_by_command_while_it_plays(stream, midi, monkeypatch):
    monkeypatch.setattr(module, "LEARN_SECONDS", 0.05)
    with pytest.raises(UsageError, match="no MIDI input is open"):
        stream.do("learn boost.gain_db")
    surface = midi()
    monkeypatch.setattr(surface.ports, "start", lambda: None)
    stream.accompany(surface)
    assert stream.do("learn boost.gain_db").startswith("move the control")
    assert stream.snapshot()["midi"]["learning"] == "boost.gain_db"
    surface.take("board", cc(4, 0, 50, 100, 127))
    eventually(lambda: not stream.snapshot()["midi"]["learning"])
    surface.take("board", cc(4, 127))
    assert stream.get("boost.gain_db") == stream.find("boost.gain_db").parameter.maximum
    stream.do("learn boost.gain_db")
    assert stream.do("learn off") == "nothing is learned"
    with pytest.raises(UsageError, match="no parameter|unknown"):
        stream.do("learn fuzz.sustain")
    with pytest.raises(UsageError, match="no control was learned for 'next'"):
        stream.do("forget next")


def test_a_map_that_is_named_and_wrong_is_refused(own_files):
    with pytest.raises(PresetError, match="nowhere.yaml"):
        MidiSettings(file=own_files / "nowhere.yaml").read(None)
    (own_files / "midi.yaml").write_text(yaml.safe_dump({"map": [{"cc": 1}]}))
    with pytest.raises(PresetError, match="no target"):
        MidiSettings().read(None)


def test_the_set_list_counts_before_the_user_s_file(own_files):
    (own_files / "midi.yaml").write_text(yaml.safe_dump({"map": [{"cc": 11, "do": "next"}, {"cc": 12, "do": "undo"}]}))
    found = MidiSettings().read(MidiMap((BOOST,)))
    assert found.mappings == (Mapping("cc", 12, do="undo"), BOOST)


def test_user_files_are_in_the_user_s_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_file("midi.yaml") == tmp_path / "rtfx" / "midi.yaml"


# --- feedback ---


def test_changes_made_elsewhere_are_sent_to_the_board(stream, midi, monkeypatch):
    lamp = Mapping("cc", 81, 2, do="mute")
    surface, port = midi(BOOST, lamp, feedback=True), Port()
    monkeypatch.setattr(surface.ports, "start", lambda: None)
    surface.ports.outputs = {"board:out": port}
    stream.accompany(surface)
    eventually(lambda: [0xC0, 0] in port.sent)
    surface.take("board:in", cc(11, 100))
    time.sleep(0.1)
    port.sent.clear()
    stream.set("boost.gain_db", 0.0)
    stream.do("mute on")
    stream.do("preset 2")
    eventually(lambda: [0xB0, 11, 127] in port.sent and [0xB1, 81, 127] in port.sent and [0xC0, 1] in port.sent)
    port.sent.clear()
    surface.take("board:in", cc(11, 100))
    time.sleep(0.1)
    assert not port.sent, "what the board has sent is not sent back to it"


@pytest.mark.parametrize(
    ("port", "wanted", "found"),
    [
        ("FCB1010:in", (), True),
        ("FCB1010:in", ("fcb",), True),
        ("FCB1010:in", ("nano", "1010"), True),
        ("FCB1010:in", ("nano",), False),
        ("Midi Through:0", (), False),
        ("rtfx midi:input", (), False),
        ("Midi Through:0", ("through",), True),
    ],
)
def test_devices_by_name(port, wanted, found):
    assert is_wanted(port, wanted) == found
