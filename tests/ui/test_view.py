"""The views and the loop that feeds them."""

import io
import itertools
from dataclasses import replace

import pytest
from rich.console import Console

from rtfx.live.tuner import Target
from rtfx.pitch import Pitch
from rtfx.ui import session, view
from rtfx.ui.terminal import Painter

from ..live.fake_stream import FakeStream

SILENT, LOUD = -90.0, -20.0


class Clock:
    now = 0.0

    def __call__(self):
        self.now += 0.05
        return self.now


def hints(levels, chosen=1, seconds=3.0):
    hint = view.ChannelHint()
    return [hint.update(levels, range(chosen - 1, chosen), 0.05 * step) for step in range(round(seconds / 0.05))]


@pytest.mark.parametrize(
    ("levels", "chosen", "expected"),
    [
        ([SILENT, LOUD], 1, "signal on input 2: press c"),
        ([LOUD, SILENT], 2, "signal on input 1: press c"),
        ([SILENT, -60.0, LOUD], 1, "signal on input 3: press c"),
        ([SILENT, LOUD, LOUD], 1, "signal on input 2: press c"),
        ([LOUD, LOUD], 1, ""),
        ([SILENT, SILENT], 1, ""),
        ([-70.0, LOUD], 1, ""),
        ([-70.1, LOUD], 1, "signal on input 2: press c"),
        ([SILENT], 1, ""),
        ([], 1, ""),
        ([SILENT, LOUD], 3, ""),
    ],
)
def test_hint(levels, chosen, expected):
    assert hints(levels, chosen)[-1] == expected


def test_hint_waits_out_a_pause():
    assert set(hints([SILENT, LOUD])[:39]) == {""}  # two seconds
    hint = view.ChannelHint()
    steps = [hint.update([LOUD if step % 30 == 0 else SILENT, LOUD], range(1), 0.05 * step) for step in range(200)]
    assert set(steps) == {""}  # a note every 1.5 s


def plain(stream):
    out = io.StringIO()
    shown = view.PlainView(stream, out, Clock())

    def lines():
        shown.update(stream.meters())
        text = out.getvalue()
        out.seek(0)
        out.truncate()
        return text.splitlines()

    return lines


def test_plain_lines_at_changes_only():
    stream = FakeStream()
    lines = plain(stream)
    assert lines() == ["rtfx: preset 1: clean"]
    assert lines() == []
    stream.preset, stream.mute = 2, True
    assert lines() == ["rtfx: preset 3: lead", "rtfx: muted"]
    stream.mute = False
    assert lines() == ["rtfx: mute off"]
    stream.clip_in = True
    assert lines() == ["rtfx: input clipped: turn the interface's gain down"]
    assert lines() == []
    stream.stats.block_frames = 1024  # as after a request by another program
    assert lines() == ["rtfx: a block has 1024 frames now"]
    assert lines() == []


def test_a_note_is_told_in_whole_cents_while_the_tuner_is_on():
    stream = FakeStream()
    lines = plain(stream)
    lines()
    stream.tuner.reading = lambda: Target().reading(Pitch(82.5, 1e-4, 0.95, 0.3, 0.1, 0.1), 1.0)
    assert lines() == []
    stream.tuner.on = True
    assert lines() == ["rtfx: E2 +2 cents"]
    assert lines() == []


def test_a_muted_start_is_told():
    stream = FakeStream()
    stream.mute = True
    assert plain(stream)() == ["rtfx: preset 1: clean", "rtfx: muted"]


def test_counts_are_told_once_a_second():
    stream = FakeStream()
    lines = plain(stream)
    lines()
    told = []
    for _ in range(60):  # three seconds
        stream.xruns += 1
        told += lines()
    assert 3 <= len(told) <= 4
    assert told[0] == "rtfx: 1 xrun"
    assert told[-1].endswith(" xruns")


def test_plain_view_names_the_channel_with_the_signal():
    stream = FakeStream()
    stream.levels = [SILENT, LOUD]
    lines = plain(stream)
    told = [line for _ in range(60) for line in lines()]
    assert told == ["rtfx: preset 1: clean", "rtfx: signal on input 2: press c"]


class Page:
    """A screen that keeps what was drawn."""

    size = (80, 24)

    def draw(self, lines):
        self.text = "\n".join(lines)


def live(stream, clock=None):
    page = Page()
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80)
    return view.LiveView(stream, page, Painter(console), None, clock or Clock()), page


def test_live_view_shows_all_of_it():
    stream = FakeStream(inputs=2, outputs=2)
    stream.bypass, stream.xruns, stream.notes = True, 3, ("amp: a note",)
    shown, page = live(stream)
    shown.say("undone: amp.drive 0.5")
    shown.update(stream.meters())
    for part in (
        "1/3  clean ", "3 lead", "2 crunch", "BYPASS", ">in 1", " in 2", "-20.0", "out 1", "out 2", "-12.0", "-6.0",
        "worst block 30.0 %", "xruns 3, last ", "latency 4.2 ms", "real-time: not granted", "out_gain_db",
        "+0.0 dB", "undone: amp.drive 0.5", "amp: a note", "? all keys", "on Scarlett at 48000 Hz, 64 frames",
    ):  # fmt: skip
        assert part in page.text, part
    shown.help = True
    shown.update(stream.meters())
    assert "save changes as a scene" in page.text and "worst block" not in page.text


def test_the_time_of_the_last_xrun_is_that_of_the_count(monkeypatch):
    stream = FakeStream()
    shown, page = live(stream)
    told = iter(["20:14:07", "20:15:00"])
    monkeypatch.setattr(view.time, "strftime", lambda layout: next(told))
    shown.update(stream.meters())
    assert "xruns 0   latency" in page.text and ", last" not in page.text
    stream.xruns = 1
    for _ in range(3):
        shown.update(stream.meters())
        assert "xruns 1, last 20:14:07" in page.text
    stream.xruns = 2
    shown.update(stream.meters())
    assert "xruns 2, last 20:15:00" in page.text


def test_bars_rise_at_once_and_fall_slowly():
    stream, clock = FakeStream(inputs=1), Clock()
    shown, page = live(stream, clock)
    for level, expected in ((-40.0, " -40.0 "), (-10.0, " -10.0 ")):
        stream.levels = [level]
        shown.update(stream.meters())
        assert expected in page.text.splitlines()[4]
    stream.levels = [-50.0]
    shown.update(stream.meters())
    assert -13.0 < float(page.text.splitlines()[4].split()[3]) < -10.0
    clock.now += 1.0
    shown.update(stream.meters())
    shown.update(stream.meters())
    assert float(page.text.splitlines()[4].split()[3]) < -30.0


def test_the_load_is_that_of_the_last_second():
    stream = FakeStream()
    shown, page = live(stream)
    seconds = 0.0
    for step in range(40):
        seconds += 0.1
        busy = 0.09 * (step + 1) if step < 20 else 1.8 + 0.01 * (step - 19)
        shown.update(replace(stream.meters(), busy_seconds=busy, offered_seconds=seconds))
        if step == 19:
            assert " 90.0 %" in page.text
    assert " 10.0 %" in page.text


class Keys:
    def __init__(self, *batches):
        self.batches = list(batches)

    def poll(self, seconds):
        return self.batches.pop(0) if self.batches else []


class Said(list):
    updates, help = 0, False

    def say(self, text):
        self.append(text)

    def update(self, meters):
        self.updates += 1

    def close(self):
        pass


def test_session_obeys_keys_until_q():
    stream, said = FakeStream(), Said()
    assert session.play(stream, said, Keys(["2"], [], ["m", "z", "q", "3"]), clock=itertools.count().__next__) == "quit"
    assert said == ["preset 2: crunch", "muted"]
    assert stream.preset == 1
    assert said.updates == 2


def test_a_session_opens_the_help_page_and_any_key_closes_it_and_does_its_work():
    stream, said, shown = FakeStream(), Said(), []
    said.update = lambda meters: shown.append((said.help, stream.mute))
    ends = itertools.count().__next__
    assert session.play(stream, said, Keys(["?"], ["?"], ["h"], ["m"], ["?"], ["escape"], ["q"]), clock=ends) == "quit"
    assert shown == [(True, False), (False, False), (True, False), (False, True), (True, True), (False, True)]


class Timed(Keys):
    """Keys without delay, on a clock that advances by each wait."""

    now = 0.0

    def poll(self, seconds):
        if self.batches:
            self.now += 0.005
            return self.batches.pop(0)
        self.now += seconds
        return []


def test_the_view_is_drawn_ten_times_a_second_whatever_is_typed():
    stream, said = FakeStream(), Said()
    keys = Timed(*[["+"]] * 200)
    assert session.play(stream, said, keys, lambda: keys.now > 3.0, lambda: keys.now) == "stopped"
    assert 29 <= said.updates <= 32


def test_the_view_is_drawn_for_each_reading_of_the_tuner():
    stream, said = FakeStream(), Said()
    keys = Timed(["t"], *[[]] * 400)
    assert session.play(stream, said, keys, lambda: keys.now > 3.0, lambda: keys.now) == "stopped"
    assert 70 <= said.updates <= 78 and stream.mute


def test_a_fault_of_page_or_key_is_said_once_and_the_sound_goes_on(monkeypatch, capsys):
    class Faulty(Said):
        def update(self, meters):
            super().update(meters)
            raise ValueError("no room")

    stream, shown = FakeStream(), Faulty()
    monkeypatch.setattr(FakeStream, "select", lambda *_: 1 / 0, raising=False)
    keys = Timed(["2"], ["3"], ["m"])
    assert session.play(stream, shown, keys, lambda: keys.now > 1.0, lambda: keys.now) == "stopped"
    assert shown.updates > 5 and shown == ["muted"]
    key, page = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError" in key and "ValueError: no room, test_view.py:" in page
    assert key.endswith("the sound goes on") and page.endswith("the sound goes on")


def test_session_ends_with_the_stream_or_a_signal():
    stream, said = FakeStream(), Said()
    stream.blocks_left = 5
    assert session.play(stream, said, clock=itertools.count().__next__) == "ended"
    assert said.updates == 5
    assert session.play(FakeStream(), said, None, lambda: True) == "stopped"
