"""OSC both ways, as a tablet uses it, and what is not OSC."""

import random
import socket
import time

import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from rtfx.errors import DeviceError, UsageError
from rtfx.live.commands import COMMANDS
from rtfx.remote import osc as module
from rtfx.remote.address import Address
from rtfx.remote.osc import BUNDLE_BYTES, MOST_SUBSCRIBERS, Osc, datagrams, line_of
from rtfx.remote.surfaces import Surfaces
from tests.live.eventually import eventually


class Tablet:
    """A program with a UDP port of its own, which keeps the last arguments of each address."""

    def __init__(self, port):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self._target = ("127.0.0.1", port)
        self.port = self._socket.getsockname()[1]
        self.values, self.counts = {}, {}

    def send(self, address, *arguments):
        builder = OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        self._socket.sendto(builder.build().dgram, self._target)

    def send_raw(self, datagram):
        self._socket.sendto(datagram, self._target)

    def read(self):
        """Take in what has arrived; return the values by address."""
        try:
            while True:
                datagram, _ = self._socket.recvfrom(65536)
                assert len(datagram) <= BUNDLE_BYTES + 100
                for message in OscPacket(datagram).messages:
                    self.values[message.message.address] = message.message.params
                    self.counts[message.message.address] = self.counts.get(message.message.address, 0) + 1
        except TimeoutError:
            return self.values

    def close(self):
        self._socket.close()


@pytest.fixture
def osc(stream):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stream.accompany(found := Osc(stream, Address("", port)))
    return found


@pytest.fixture
def tablet(osc):
    found = Tablet(osc.port)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("address", "arguments", "reads", "value"),
    [
        ("/rtfx/boost/gain_db", (-3.0,), lambda s: s.get("boost.gain_db"), -3.0),
        ("/rtfx/boost/gain_db", (-3,), lambda s: s.get("boost.gain_db"), -3.0),
        ("/rtfx/boost/gain_db/norm", (0.0,), lambda s: s.get("boost.gain_db"), "minimum"),
        ("/rtfx/out_gain_db", (-4.0,), lambda s: s.out_gain_db, -4.0),
        ("/rtfx/preset", (2,), lambda s: s.preset, 1),
        ("/rtfx/preset", (3.0,), lambda s: s.preset, 2),
        ("/rtfx/preset", ("crunch",), lambda s: s.preset, 1),
        ("/rtfx/preset/next", (), lambda s: s.preset, 1),
        ("/rtfx/preset/next", (1.0,), lambda s: s.preset, 1),
        ("/rtfx/next", (1,), lambda s: s.preset, 1),
        ("/rtfx/scene", ("loud",), lambda s: s.get("boost.gain_db"), 0.0),
        ("/rtfx/bypass", (1,), lambda s: s.bypass, True),
        ("/rtfx/mute", (True,), lambda s: s.mute, True),
        ("/rtfx/mute", (), lambda s: s.mute, True),
        ("/rtfx/nudge", ("boost.gain_db", 2), lambda s: s.get("boost.gain_db"), -4.0),
        ("/rtfx/nudge/boost.gain_db/2", (1,), lambda s: s.get("boost.gain_db"), -4.0),
        ("/rtfx/reset/boost.gain_db", (), lambda s: s.get("boost.gain_db"), 0.0),
    ],
)
def test_each_form_of_a_message(stream, tablet, address, arguments, reads, value):
    if value == "minimum":
        value = stream.find("boost.gain_db").parameter.minimum
    tablet.send(address, *arguments)
    eventually(lambda: reads(stream) == value)


@pytest.mark.parametrize(
    ("words", "arguments", "line"),
    [
        (["next"], [0.0], ""),
        (["preset", "next"], [0], ""),
        (["undo"], [False], ""),
        (["mute"], [0.0], "mute off"),
        (["bypass"], [1.0], "bypass on"),
        (["mute"], ["toggle"], "mute toggle"),
        (["set"], ["amp.drive", 0.5], "set amp.drive 0.5"),
        (["preset"], [2.0], "preset 2"),
        (["take"], ["/tmp/some\nwhere"], "take /tmp/some where"),
    ],
)
def test_what_a_button_means(words, arguments, line):
    assert line_of(words, arguments) == line


def test_every_command_has_an_address():
    for name in COMMANDS:
        assert line_of([name], []) == name
    with pytest.raises(UsageError, match="no address /rtfx/presets"):
        line_of(["presets"], [])


def test_a_subscriber_gets_the_state_then_each_change_and_meters(stream, tablet):
    tablet.send("/rtfx/subscribe")
    eventually(lambda: "/rtfx/tone/bell1_db" in tablet.read() or "/rtfx/message" in tablet.values)
    eventually(lambda: tablet.read().get("/rtfx/preset") == [1])
    assert tablet.values["/rtfx/preset/name"] == ["clean"] and tablet.values["/rtfx/preset/next/name"] == ["crunch"]
    assert tablet.values["/rtfx/presets"] == ["clean", "crunch", "lead"] and tablet.values["/rtfx/mute"] == [0]
    assert tablet.values["/rtfx/boost/gain_db"] == [-6.0]
    stream.set("boost.gain_db", -1.0)
    stream.do("mute on")
    eventually(lambda: tablet.read()["/rtfx/boost/gain_db"] == [-1.0] and tablet.values["/rtfx/mute"] == [1])
    stream.do("preset 2")
    eventually(lambda: tablet.read()["/rtfx/preset/name"] == ["crunch"])
    assert tablet.values["/rtfx/boost/gain_db"] == [3.0]
    before, begun = tablet.counts.get("/rtfx/meter/out", 0), time.monotonic()
    eventually(lambda: tablet.read() and tablet.counts["/rtfx/meter/out"] >= before + 5)
    assert tablet.counts["/rtfx/meter/out"] - before <= 10.0 * (time.monotonic() - begun) + 2
    assert len(tablet.values["/rtfx/meter/in"]) == stream.input_channels
    tablet.send("/rtfx/unsubscribe")
    time.sleep(0.2)
    tablet.read()
    before = dict(tablet.counts)
    stream.do("mute off")
    time.sleep(0.3)
    tablet.read()
    assert tablet.counts == before


def test_it_is_told_to_another_port(stream, osc, tablet):
    other = Tablet(osc.port)
    tablet.send("/rtfx/subscribe", "127.0.0.1", other.port)
    eventually(lambda: other.read().get("/rtfx/preset") == [1])
    assert not tablet.read()
    other.close()


@pytest.mark.parametrize("arguments", [("192.0.2.7", 9001), ("example.org",), (99999,), (1, 2), ("a", "b")])
def test_other_hosts_and_nonsense_are_not_subscribed(osc, tablet, arguments):
    tablet.send("/rtfx/subscribe", *arguments)
    eventually(lambda: osc.ignored == 1)
    assert not osc._subscribers


def test_subscribers_are_bounded_and_the_oldest_drops_out(osc, tablet):
    for port in range(20001, 20001 + MOST_SUBSCRIBERS + 3):
        tablet.send("/rtfx/subscribe", port)
    eventually(lambda: ("127.0.0.1", 20001 + MOST_SUBSCRIBERS + 2) in osc._subscribers)
    assert len(osc._subscribers) == MOST_SUBSCRIBERS and ("127.0.0.1", 20001) not in osc._subscribers


def test_a_question_is_answered_to_this_machine(tablet):
    tablet.send("/rtfx/boost/gain_db")
    eventually(lambda: tablet.read().get("/rtfx/boost/gain_db") == [-6.0])
    tablet.send("/rtfx/boost/gain_db/norm")
    eventually(lambda: 0.0 < tablet.read().get("/rtfx/boost/gain_db/norm", [0.0])[0] < 1.0)


def test_a_forged_sender_is_not_answered(osc, monkeypatch):
    sent = []
    monkeypatch.setattr(osc, "_send", lambda messages, targets: sent.extend(targets))
    for path in ("/rtfx/boost/gain_db", "/rtfx/nonsense", "/rtfx/state"):
        builder = OscMessageBuilder(path)
        osc._take([(builder.build().dgram, ("203.0.113.9", 53))])
    assert not sent


MALFORMED = [
    b"", b"/", b"/rtfx/boost/gain_db", b"#bundle\x00", b"#bundle\x00" + bytes(8) + b"\xff\xff\xff\xff", b"\xff" * 64,
    b"/rtfx/boost/gain_db\x00,f\x00\x00", b"/rtfx/boost/gain_db\x00,Q\x00\x00", b"/a\x00\x00,[\x00\x00",
    b"/rtfx\x00\x00\x00", (b"#bundle\x00" + bytes(8) + b"\x00\x00\x00\x10") * 2000,
]  # fmt: skip


def test_what_is_no_osc_is_counted_and_ignored(stream, osc, tablet, capsys):
    noise = random.Random(7)
    for datagram in MALFORMED:
        tablet.send_raw(datagram)
    for _ in range(300):
        good = OscMessageBuilder("/rtfx/boost/gain_db")
        good.add_arg(float("nan"))
        damaged = bytearray(good.build().dgram)
        damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        osc._take([(bytes(damaged), ("127.0.0.1", 9))])
    tablet.send("/rtfx/mute", 1)
    eventually(lambda: stream.mute)
    assert osc.ignored >= len(MALFORMED) - 2
    assert np.isfinite(stream.get("boost.gain_db")) and capsys.readouterr().err == ""


def test_a_flood_leaves_the_newest_value(stream, osc, tablet, monkeypatch):
    applied = []
    monkeypatch.setattr(stream, "set_many", lambda values: applied.append(values))
    builder = [OscMessageBuilder("/rtfx/boost/gain_db") for _ in range(200)]
    for step, one in enumerate(builder):
        one.add_arg(-20.0 * step / 199)
    osc._take([(one.build().dgram, ("127.0.0.1", 9)) for one in builder])
    assert applied == [{"boost.gain_db": -20.0}]


def test_the_order_of_values_and_commands_is_kept(stream, osc):
    """A value that is sent before a preset is chosen belongs to the old preset."""
    parts = [("/rtfx/boost/gain_db", [-1.0]), ("/rtfx/next", []), ("/rtfx/boost/gain_db", [-2.0])]
    osc._take([(datagram, ("127.0.0.1", 9)) for part in parts for datagram in datagrams([part])])
    assert stream.get("boost.gain_db") == -2.0
    stream.do("previous")
    assert stream.get("boost.gain_db") == -1.0


def test_a_port_that_is_taken_and_a_host_of_another_machine_are_named(stream, osc):
    with pytest.raises(DeviceError, match=f"--osc: 127.0.0.1:{osc.port} cannot be used"):
        Osc(stream, Address("", osc.port))
    with pytest.raises(DeviceError, match="--osc: 192.0.2.1:9000 cannot be used"):
        Osc(stream, Address("192.0.2.1"))


def test_surfaces_open_it(stream, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(module, "PORT", 0)
    Surfaces("stage", Address("127.0.0.1")).open(stream)
    assert "OSC: 127.0.0.1, UDP port" in stream.notes[-1]


def test_subscribers_of_a_stream_are_told_of_the_one_that_follows(rig, tablet, osc, stream):
    tablet.send("/rtfx/subscribe")
    eventually(lambda: tablet.read().get("/rtfx/preset") == [1])
    stream.close()
    eventually(lambda: tablet.read().get("/rtfx/ended") == [1])
    with rig.play(device="null", input=np.zeros(48000, np.float32), sample_rate=48000) as after:
        after.do("preset 2")
        after.accompany(Osc(after, Address("", osc.port), osc._subscribers))
        eventually(lambda: tablet.read().get("/rtfx/preset") == [2] and tablet.values["/rtfx/ended"] == [0])
