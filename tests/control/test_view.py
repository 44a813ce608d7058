"""The views and the loop that feeds them."""

import io

import pytest
from rich.console import Console

from rtfx.control import session, view

from .fake_stream import FakeStream

SILENT, LOUD = -90.0, -20.0


class Clock:
    now = 0.0

    def __call__(self):
        self.now += 0.05
        return self.now


def hints(levels, chosen=1, seconds=3.0):
    hint = session.ChannelHint()
    return [hint.update(levels, chosen, 0.05 * step) for step in range(round(seconds / 0.05))]


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
    hint = session.ChannelHint()
    steps = [hint.update([LOUD if step % 30 == 0 else SILENT, LOUD], 1, 0.05 * step) for step in range(200)]
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


@pytest.mark.parametrize(
    ("level", "clipped", "style"),
    [(-20.0, False, "green"), (-3.0, False, "yellow"), (-0.1, False, "yellow"), (0.0, False, "red")],
)
def test_meter_colours(level, clipped, style):
    text = view.meter(level, clipped)
    assert {str(span.style) for span in text.spans} - {"dim"} == {style}
    assert len(text.plain) == view.METER_WIDTH + 6


def test_clip_stays_lit_when_the_level_falls():
    assert "bold white on red" in {str(span.style) for span in view.meter(-40.0, True).spans}
    assert view.meter(float("-inf"), False).plain.endswith("-oo")
    assert view.meter(30.0, False).plain.startswith("━" * view.METER_WIDTH)


def test_live_view_shows_state_and_messages():
    stream, out = FakeStream(), io.StringIO()
    stream.bypass, stream.xruns = True, 3
    console = Console(file=out, force_terminal=True, color_system=None, width=80)
    shown = view.LiveView(stream, console, Clock())
    shown.say("level +1 dB")
    shown.update(stream.meters())
    shown.close()
    text = out.getvalue()
    for part in ("1/3 clean", "BYPASS", "in 1", "-20.0", "out", "-12.0", "xruns 3", "4.2 ms", "level +1 dB"):
        assert part in text
    assert "load 10 % max 30 %" in text


class Keys:
    def __init__(self, *batches):
        self.batches = list(batches)

    def poll(self, seconds):
        return self.batches.pop(0) if self.batches else []


class Said(list):
    updates = 0

    def say(self, text):
        self.append(text)

    def update(self, meters):
        self.updates += 1

    def close(self):
        pass


def test_session_obeys_keys_until_q():
    stream, said = FakeStream(), Said()
    assert session.play(stream, said, Keys(["2"], [], ["m", "z", "q", "3"])) == "quit"
    assert said == ["preset 2: crunch", "muted"]
    assert stream.preset == 1
    assert said.updates == 2


def test_session_ends_with_the_stream_or_a_signal():
    stream, said = FakeStream(), Said()
    stream.blocks_left = 5
    assert session.play(stream, said) == "ended"
    assert said.updates == 5
    assert session.play(FakeStream(), said, None, lambda: True) == "stopped"
