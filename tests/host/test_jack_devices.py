"""Which ports make a device, which device is the default, and what a driver's numbers mean: without a server."""

import ctypes
from types import SimpleNamespace

import pytest

from rtfx.host import choose, jack, jack_devices
from rtfx.host.jack import CAPTURE, IS_INPUT, IS_OUTPUT, IS_PHYSICAL, JACK_ROUTE, PIPEWIRE_ROUTE, Client, Port
from rtfx.host.jack_host import frames_for

HEARD, PLAYED = IS_OUTPUT | IS_PHYSICAL, IS_INPUT | IS_PHYSICAL


def chosen(groups, side):
    """Return the default of a side, as `jack_devices` picks it."""
    best = max(groups, key=lambda group: getattr(group, f"fits_{side}"))
    return best.key if getattr(best, f"fits_{side}") else None


def node(number, name, kind, description=None, **more):
    properties = {"node.name": name, "media.class": kind, "node.description": description or name, **more}
    return {"id": number, "type": "PipeWire:Interface:Node", "info": {"props": properties}}


def port(number, owner, direction, place=0, monitor=False, format="32 bit float mono audio"):
    properties = {"node.id": owner, "object.serial": number, "port.direction": direction, "port.id": place}
    properties |= {"format.dsp": format} | ({"port.monitor": True} if monitor else {})
    return {"id": number + 1000, "type": "PipeWire:Interface:Port", "info": {"props": properties}}


def defaults(source, sink):
    entries = [
        {"key": f"default.audio.{side}", "value": {"name": name}} for side, name in (("source", source), ("sink", sink))
    ]
    return {"id": 1, "type": "PipeWire:Interface:Metadata", "props": {"metadata.name": "default"}, "metadata": entries}


SINK = [node(10, "out", "Audio/Sink"), port(1, 10, "in"), port(2, 10, "in", 1), port(3, 10, "out", 0, True)]
SOURCE = [node(20, "mic", "Audio/Source"), port(4, 20, "out")]
CARD = [node(30, "card", "Audio/Source", "Scarlett"), port(6, 30, "out", 1), port(5, 30, "out")]
PROGRAM = [node(40, "browser", "Stream/Output/Audio"), port(7, 40, "out")]


def groups(*objects):
    return jack_devices.by_node(
        jack_devices.read_graph([each for some in objects for each in some]), lambda number: f"port {number}"
    )


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([SINK, SOURCE, CARD, [defaults("card", "out")]], "card"),
        ([SINK, SOURCE, CARD, [defaults("out", "out")]], "mic"),  # a desktop that has made a monitor its default
        ([SINK, SOURCE, [defaults("gone", "gone")]], "mic"),
        ([SINK, SOURCE], "mic"),
        ([PROGRAM, SINK, [defaults("out", "out")]], "out.monitor"),
        ([PROGRAM], None),
    ],
)
def test_the_default_input_is_a_real_one_if_there_is_one(objects, expected):
    assert chosen(groups(*objects), "input") == expected


def test_channels_are_in_their_order_and_monitors_apart():
    found = {group.key: group for group in groups(SINK, CARD)}
    assert found["card"].inputs == ("port 5", "port 6") and found["card"].name == "Scarlett"
    assert found["out"].inputs == () and found["out"].outputs == ("port 1", "port 2")
    assert found["out.monitor"].inputs == ("port 3",) and found["out.monitor"].monitor


def test_two_cards_of_one_name_keep_their_ports():
    twins = [
        node(50, "first", "Audio/Sink", "Card"),
        port(8, 50, "in"),
        node(60, "second", "Audio/Sink", "Card"),
        port(9, 60, "in"),
    ]
    assert {group.key: group.outputs for group in groups(twins)} == {"first": ("port 8",), "second": ("port 9",)}


DAMAGED = [
    None,
    {},
    [{}],
    [{"type": "PipeWire:Interface:Node", "id": 1, "info": None}, *SINK],
    [{"type": "PipeWire:Interface:Metadata", "props": {"metadata.name": "default"}, "metadata": None}],
    [port(1, 99, "in")],
    [*CARD, port(1, 30, "out", format="8 bit raw midi")],
]


@pytest.mark.parametrize("objects", DAMAGED)
def test_what_comes_or_goes_while_it_is_listed_is_left_out(objects):
    found = jack_devices.read_graph(objects)
    assert {node.name for node in found.nodes} <= {"out", "card"}


@pytest.mark.parametrize("dump", [b"", b"[", b"nothing\n", b"[" * 100_000])
def test_a_dump_that_is_none(monkeypatch, dump):
    monkeypatch.setattr(jack_devices.shutil, "which", lambda name: name)
    monkeypatch.setattr(jack_devices.subprocess, "run", lambda *a, **k: SimpleNamespace(stdout=dump))
    assert jack_devices.graph() is None, "JACK's own names are used"


def test_jack_takes_physical_ports_and_no_monitor():
    ports = [
        Port("synth:out", IS_OUTPUT),
        Port("system:monitor_1", HEARD),
        Port("system:capture_1", HEARD),
        Port("system:playback_1", PLAYED),
        Port("meter:in", IS_INPUT),
    ]
    found = jack_devices.by_client(ports)
    assert (chosen(found, "input"), chosen(found, "output")) == ("system", "system")
    assert next(group for group in found if group.key == "system").inputs == ("system:capture_1",)
    found = jack_devices.by_client([each for each in ports if "capture" not in each.name])
    assert chosen(found, "input") == "system.monitor"
    assert chosen(jack_devices.by_client([ports[0]]), "input") is None


def test_pipewire_without_its_jack_library_names_the_package(monkeypatch):
    monkeypatch.setattr(jack.sys, "platform", "linux")
    monkeypatch.setattr(jack, "jack_runs", lambda: False)
    monkeypatch.setattr(jack, "pipewire_runs", lambda: True)
    monkeypatch.setattr(jack, "PIPEWIRE_LIBRARIES", ("/nowhere/libjack.so.0",))
    monkeypatch.setattr(jack, "SONAME", "libjack-that-is-not-there.so.0")
    assert jack.route() == "" and jack.lacks_pipewire()
    assert "apt install pipewire-jack" in choose.PACKAGE


@pytest.mark.parametrize(
    ("frames", "route", "expected"),
    [
        (128, JACK_ROUTE, 128),
        (0, JACK_ROUTE, 0),
        (0, PIPEWIRE_ROUTE, None),
        (2**32 - 1, JACK_ROUTE, None),
        (2**32 - 1024, PIPEWIRE_ROUTE, None),
    ],
)
def test_a_latency_that_nobody_knows_is_none(frames, route, expected):
    def answer(port, mode, place):
        ctypes.cast(place, ctypes.POINTER(jack._Range)).contents.maximum = frames

    client = Client.__new__(Client)
    client.route, client.handle = route, 1
    client.library = SimpleNamespace(jack_port_by_name=lambda *a: 1, jack_port_get_latency_range=answer)
    assert client.latency("system:capture_1", CAPTURE) == expected


@pytest.mark.parametrize(
    ("latency", "frames"),
    [(None, 0), ("low", 64), ("high", 1024), (0.01, 128), (0.0027, 64), (1e-6, 16), (10.0, 8192)],
)
def test_frames_of_a_latency(latency, frames):
    """Two periods, one each way, are not longer than the seconds that were asked for."""
    assert frames_for(latency, 48000.0) == frames
