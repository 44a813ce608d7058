"""Real MIDI through a JACK server without hardware: a pedal board that is another process, and how late it is."""

import contextlib
import os
import statistics
import subprocess
import sys
import time

import pytest

from rtfx.remote import midi as module
from rtfx.remote.midi import Midi, MidiSettings
from rtfx.remote.midi_ports import Ports, backend, check_wanted, devices
from rtfx.rig.midi_map import Mapping, MidiMap
from tests.host.jack_server import Server, installed
from tests.live.eventually import eventually

rtmidi = pytest.importorskip("rtmidi")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2"),
    pytest.mark.skipif(os.path.exists("/dev/snd/seq"), reason="ALSA's sequencer goes before JACK"),
]

BOARD = """
import sys, time, rtmidi
port = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=sys.argv[1])
port.open_virtual_port("out")
heard = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=sys.argv[1])
heard.open_virtual_port("in")
print("ready", flush=True)
for line in sys.stdin:
    word, *numbers = line.split()
    if word == "send":
        port.send_message([int(number) for number in numbers])
        print(time.monotonic(), flush=True)
    elif word == "flood":  # ten messages a millisecond
        for step in range(int(numbers[0])):
            port.send_message([0xB0, 11, step % 128])
            if step % 10 == 9:
                time.sleep(0.001)
        port.send_message([0xB0, 11, 127])
        print(time.monotonic(), flush=True)
    elif word == "heard":
        found = []
        while (message := heard.get_message()):
            found.append(message[0])
        print(found, flush=True)
"""


class Board:
    """A pedal board in a process of its own."""

    def __init__(self, server, name="board"):
        self.process = subprocess.Popen(
            [sys.executable, "-c", BOARD, name],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def server(monkeypatch):
    with Server() as found:
        for name in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER"):
            monkeypatch.setenv(name, found.environment[name])
        yield found


@pytest.fixture
def board(server):
    found = Board(server)
    yield found
    with contextlib.suppress(OSError):
        found.kill()


@pytest.fixture
def midi(stream, server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "user_file", lambda name: tmp_path / name)
    monkeypatch.setattr("rtfx.remote.midi_ports.SCAN_SECONDS", 0.2)
    mapping = Mapping("cc", 11, to="boost.gain_db", start=-20, end=0)
    surface = Midi(stream, MidiSettings(("board",)), MidiMap((mapping,), feedback=True))
    stream.accompany(surface)
    return surface


def test_devices_are_listed_and_opened_by_a_part_of_their_name(server, board):
    assert backend() == rtmidi.API_UNIX_JACK
    assert "board:out" in devices() and any(name.startswith("board") for name in devices("output"))
    assert check_wanted(["boa"], devices()) == ""
    assert check_wanted(["nano"], ["board:out"]) == (
        "MIDI: no input is named 'nano' (those there: board:out): it is awaited"
    )


def test_from_the_pedal_to_the_published_value(stream, board, midi):
    """The time from sending in the pedal board's process to the engine's table of values."""
    eventually(lambda: midi.ports.inputs)
    glided, moved = [], stream.controller.playing.glide_to
    stream.controller.playing.glide_to = lambda values: (moved(values), glided.append(time.monotonic()))
    late = []
    for step in range(60):
        glided.clear()
        sent = float(board.ask(f"send 176 11 {step}"))
        eventually(lambda: glided)
        late.append(glided[0] - sent)
        time.sleep(0.01)
    middle, most = 1e3 * statistics.median(late), 1e3 * max(late)
    print(f"  figure: pedal to published value: median {middle:.2f} ms, max {most:.2f} ms")
    assert statistics.median(late) < 0.020


def test_a_flood_loses_nothing_that_counts_and_leaves_the_sound_alone(stream, board, midi):
    eventually(lambda: midi.ports.inputs)
    sent = float(board.ask("flood 10000"))
    eventually(lambda: stream.get("boost.gain_db") == 0.0)
    assert time.monotonic() - sent < 1.0
    time.sleep(1.0)
    assert midi.received == 10_001
    assert stream.stats.non_finite_blocks == 0
    assert len(stream.history._done) == 0


def test_a_board_that_comes_and_goes_while_playing(stream, server, midi):
    assert any("it is awaited" in line for line in stream.news())
    for _ in range(2):
        board = Board(server)
        eventually(lambda: "board:out" in midi.ports.inputs)
        board.ask("send 176 11 127")
        eventually(lambda: stream.get("boost.gain_db") == 0.0)
        stream.set("boost.gain_db", -6.0)
        board.kill()
        eventually(lambda: not midi.ports.inputs)
    said = []
    eventually(lambda: said.extend(stream.news()) or sum("has gone" in line for line in said) == 2)
    assert said.count("MIDI: board:out") == 2


def test_the_board_is_told_what_others_change(stream, board, midi):
    eventually(lambda: midi.ports.inputs and midi.ports.outputs)
    stream.set("boost.gain_db", -20.0)
    eventually(lambda: "[176, 11, 0]" in board.ask("heard"))


@pytest.mark.parametrize("seen", [True, False])
def test_a_server_that_dies_and_returns(stream, server, board, midi, seen):
    """It may be back before anyone has looked."""
    eventually(lambda: midi.ports.inputs)
    server.kill()
    board.kill()
    if seen:
        eventually(lambda: not midi.ports.inputs)
    server.begin_again()
    again = Board(server)
    eventually(lambda: again.ask("send 176 11 127") and stream.get("boost.gain_db") == 0.0)
    again.kill()


def test_without_a_server_there_is_no_midi(monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    assert backend() == -1
    ports = Ports()
    ports.start()
    assert ports.inputs == {}
    ports.close()
