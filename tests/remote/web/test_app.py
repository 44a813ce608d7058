"""The socket that pages talk over: state, changes, answers, floods, and messages that no page sends."""

import contextlib
import json
import random
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rtfx.live.feed import merged
from rtfx.remote.web.app import PAGES, Page, Refused, joined


class Phone:
    """What a page does, without a browser: it keeps the state."""

    def __init__(self, server):
        self.origin = server.url.rstrip("/")
        self.meters, self.answers, self.number = None, {}, 0

    def __enter__(self):
        self.connection = connect(self.origin.replace("http", "ws") + "/live", origin=self.origin)
        self.socket = self.connection.__enter__()
        first = self.next()
        self.state, self.commands = first["state"], first["commands"]
        return self

    def __exit__(self, *error):
        self.connection.__exit__(*error)

    def next(self, seconds=5.0):
        return json.loads(self.socket.recv(timeout=seconds))

    def look(self):
        message = self.next()
        self.state = merged(self.state, message.get("change", {}))
        self.meters = message.get("meters", self.meters)
        self.answers |= {answer["id"]: answer for answer in message.get("said", ())}

    def until(self, done, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.state
            self.look()

    def send(self, message):
        self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def do(self, line):
        """Run a command and return its answer."""
        self.number += 1
        self.send({"do": line, "id": self.number})
        self.until(lambda: self.number in self.answers)
        return self.answers[self.number]

    def value(self, address):
        return next(knob["value"] for knob in self.state["knobs"] if knob["address"] == address)


@pytest.fixture
def phone(served):
    with Phone(served) as phone:
        yield phone


def test_a_page_gets_the_whole_state_and_the_table_of_commands(phone, stream):
    assert phone.state == json.loads(json.dumps(stream.snapshot())) | {"status": phone.state["status"]}
    assert phone.commands.keys() == stream.commands.keys() - {"quit"}


def test_a_command_changes_the_stream_and_every_page(served, stream, phone):
    with Phone(served) as other:
        answer = phone.do("preset 3")
        assert answer["text"].startswith("preset 3") and not answer["failed"]
        assert stream.preset == 2
        for each in (phone, other):
            each.until(lambda each=each: each.state["preset"] == 3)
            assert [knob["address"] for knob in each.state["knobs"]] == list(stream.knobs)


def test_what_others_change_reaches_the_page(stream, phone):
    stream.set("boost.gain_db", -7.0)
    phone.until(lambda: phone.value("boost.gain_db") == -7.0)
    stream.mute = True
    phone.until(lambda: phone.state["mute"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("prest next", "did you mean 'preset'"),
        ("set boost.gain_db 1000", "boost"), ("set nothing 1", "nothing"),
        ("", "no command"), ("__class__", "no command"), ("preset lost", "cannot play"),
        ("take /tmp", "cannot name a folder"), ("quit", "not from a page"), ("quit now", "not from a page"),
        ("learn quit", "not from a page"), ("learn take /tmp", "cannot name a folder"),
    ],
)  # fmt: skip
def test_a_command_that_fails_says_why(phone, stream, line, words):
    answer = phone.do(line)
    assert answer["failed"] and words in answer["text"] and "\n" not in answer["text"]
    assert stream.active


def test_an_internal_error_is_an_answer_too(phone, stream, monkeypatch):
    monkeypatch.setattr(type(stream), "do", lambda stream, line: 1 / 0)
    answer = phone.do("mute")
    assert answer["failed"] and "ZeroDivisionError" in answer["text"]
    monkeypatch.undo()
    assert not phone.do("mute on")["failed"]


def test_meters_come_to_those_who_look(served, phone):
    phone.send({"meters": True})
    phone.until(lambda: phone.meters)
    assert {"in", "out", "load", "xruns", "clip_in"} <= phone.meters.keys()
    with Phone(served) as other:
        other.do("undo")
        other.do("undo")
        assert other.meters is None
    phone.send({"meters": False})
    phone.do("undo")
    phone.meters = None
    for _ in range(3):
        phone.do("undo")
        time.sleep(0.15)
    assert phone.meters is None


def test_nothing_follows_the_stream_when_nobody_looks(served, stream):
    with Phone(served) as phone:
        phone.send({"meters": True})
        phone.until(lambda: phone.meters)
        assert served._hub._following and served._hub._metering
    deadline = time.monotonic() + 5.0
    while served._hub._following or served._hub._metering:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with Phone(served) as phone:  # and the next page gets everything again
        assert phone.state["presets"] == stream.snapshot()["presets"]


def test_a_flood_keeps_its_last_value_and_other_commands_their_order(phone, stream):
    for place in range(3000):
        phone.send({"do": f"set boost.gain_db {place % 70 / 10}"})
        if place == 1500:
            phone.send({"do": "preset 3"})
            phone.send({"do": "preset 1"})
    answer = phone.do("set boost.gain_db 11.5")
    assert not answer["failed"]
    assert (stream.preset, stream.get("boost.gain_db")) == (0, 11.5)


def test_a_page_that_reads_nothing_holds_up_nobody(served, stream):
    with Phone(served) as slow, Phone(served) as other:
        slow.send({"meters": True})
        for place in range(300):
            stream.set("boost.gain_db", place / 30)
            other.do("undo") if place % 50 == 0 else None
        other.do("set boost.gain_db 12")
        other.until(lambda: other.value("boost.gain_db") == 12.0)
        slow.until(lambda: slow.value("boost.gain_db") == 12.0)


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "null", "[]", "1", '"do"', "{}", '{"do": 1}', '{"do": "mute", "id": "1"}', '{"do": "mute", "more": 1}',
        '{"do": "mute\\n"}', '{"do": "mute", "id": 1e999}', '{"do": "mute", "id": true}', '{"meters": 1}',
        '{"meters": true, "do": "mute"}',
        '{"do": "' + "x" * 500 + '"}', "[" * 4000, '{"do": "\\ud800"}', "9" * 4000, b"mute", b"\xff\xfe", "x" * 5000,
    ],
)  # fmt: skip
def test_a_message_that_no_page_sends_ends_its_connection_alone(served, stream, phone, message):
    with Phone(served) as broken:
        broken.send(message)
        with pytest.raises(ConnectionClosed):
            while True:
                broken.next()
    assert not phone.do("mute on")["failed"]
    assert stream.mute and stream.active


def test_random_messages_change_nothing_that_commands_cannot_and_end_nothing(served, stream, phone):
    seed = random.Random(137)
    writing = ("save", "take")
    words = [*(set(stream.commands) - set(writing)), *stream.knobs, "next", "on", "1", "-1", "NaN", "1e309", "", "A"]
    words += ["../..", "\u202e", "'", "☃", "set boost.gain_db", "set klon.gain", "preset", "scene"]
    pieces = ['{"do": "', '"}', "{", "[", "null", '"id": ', "\\u0000", "\x00", "true", ","]
    for _ in range(40):
        with contextlib.suppress(ConnectionClosed), Phone(served) as other:
            for _ in range(50):
                kind = seed.randrange(60)
                if kind == 0:
                    other.send(seed.randbytes(seed.randrange(200)))
                elif kind == 1:
                    other.send("".join(seed.choices(pieces, k=seed.randrange(9))))
                else:
                    other.send({"do": " ".join(seed.choices(words, k=seed.randrange(1, 4))), "id": seed.randrange(99)})
    assert stream.active
    assert phone.do("preset 1")["text"].startswith("preset 1")
    assert stream.stats.non_finite_blocks == 0


def test_pages_are_counted(served):
    with contextlib.ExitStack() as stack:
        for _ in range(PAGES):
            stack.enter_context(Phone(served))
        with pytest.raises(InvalidStatus), Phone(served):
            pass
    deadline = time.monotonic() + 5.0
    while served._hub._pages:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with Phone(served) as phone:
        assert phone.state


def test_a_later_value_replaces_an_earlier_one_up_to_the_next_command():
    page = Page()
    for line in ("set a.x 1", "set a.y 1", "set a.x 2", "mute", "set a.x 3", "set a.y 2", "set a.x 4", "undo", "undo"):
        page.take(json.dumps({"do": line}))
    lines = [line for line, _ in page.commands]
    assert lines == ["set a.y 1", "set a.x 2", "mute", "set a.y 2", "set a.x 4", "undo", "undo"]
    with pytest.raises(Refused):
        page.take("mute")


def test_differences_are_joined_as_if_they_came_one_by_one():
    knobs = [{"address": "a.x", "value": 1}, {"address": "a.y", "value": 1}]
    start = {"knobs": knobs, "mute": False}
    parts = [
        {"values": {"a.x": {"value": 2}}},
        {"mute": True, "values": {"a.y": {"value": 3}}},
        {"values": {"a.x": {"value": 4}}},
        {"knobs": [{"address": "b.z", "value": 0}], "mute": False},
        {"values": {"b.z": {"value": 5}}},
    ]
    for first in range(len(parts)):
        for last in range(first, len(parts)):
            state, together = start if first < 4 else merged(start, parts[3]), {}
            expected = state
            for part in parts[first : last + 1]:
                expected, together = merged(expected, part), joined(together, part)
            assert merged(state, together) == expected
