"""A gig without a keyboard: pedal board, tablet and scripts on one player; what a third client of JACK records."""

import json
import os
import socket
import tempfile
import time

import numpy as np
import pytest

from tests.host.jack_server import Server, Talker, installed
from tests.live.eventually import eventually
from tests.remote.test_midi_ports import Board
from tests.remote.test_osc import Tablet

from .command import process
from .live import Play, close_players

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2"),
    pytest.mark.skipif(os.path.exists("/dev/snd/seq"), reason="ALSA's sequencer goes before JACK"),
]
SET_LIST = """\
version: 1
midi:
  map:
    - {cc: 11, to: amp.gain_db, from: -9, at: -3}
    - {cc: 80, do: bypass}
presets:
  - {name: first, chain: [{type: gain, id: amp, gain_db: -6}]}
  - {name: second, chain: [{type: gain, id: amp, gain_db: -3}]}
  - {name: third, chain: [{type: gain, id: amp, gain_db: -9}]}
"""
LOUD = 0.1  # samples below this say too little about the gain
QUIETEST, LOUDEST = 0.3, 1.01  # gains that are played: -9 dB, and 0 dB when bypassed
STEEPEST = 2.0 / 960  # change of the gain per frame: less than all of it in a fade of 20 ms


class Gig:
    def __init__(self, server, path, port):
        self.server, self.port = server, port
        self.player = Play(server, path, "--midi-in", "board", "--osc", port)
        self.player.says("preset 1")
        self.plug_in()
        self.tablet = Tablet(port)
        self.tablet.send("/rtfx/subscribe")

    def plug_in(self):
        """Plug the pedal board in, and wait until it is heard."""
        self.board = Board(self.server)
        self.player.says("MIDI: board:out")
        time.sleep(0.3)  # JACK makes the connection in one of its next periods

    def send(self, *words):
        """Run ``rtfx send`` and return its output."""
        done = process("send", *words, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def agree(self, **expected):
        """Wait until the script and the tablet see the same, which is what is expected."""
        eventually(lambda: {key: json.loads(self.send("state", key)) for key in expected} == expected)
        seen = self.tablet.read
        eventually(lambda: all(seen().get(f"/rtfx/{key}") == [int(value)] for key, value in expected.items()))

    def close(self):
        self.board.kill()
        self.tablet.close()


@pytest.fixture
def gig(tmp_path, monkeypatch, request):
    from . import command

    (tmp_path / "config").mkdir(mode=0o700)
    monkeypatch.setitem(command.ENVIRONMENT, "XDG_CONFIG_HOME", str(tmp_path / "config"))
    runtime = tempfile.TemporaryDirectory(prefix="rtfx")  # a short name: that of a socket has 107 bytes at most
    request.addfinalizer(runtime.cleanup)
    monkeypatch.setitem(command.ENVIRONMENT, "XDG_RUNTIME_DIR", runtime.name)
    (tmp_path / "gig.yaml").write_text(SET_LIST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Server(inputs=1) as server:
        found = Gig(server, tmp_path / "gig.yaml", port)
        yield found
        found.close()
        close_players()


def gains(sent, back, late):
    """Return the gain of each loud sample and its frame."""
    source = sent[: len(sent) - late]
    loud = np.flatnonzero(np.abs(source) > LOUD)
    return loud, back[late:][loud] / source[loud]


def test_pedals_a_tablet_and_scripts_without_a_gap(gig, tmp_path):
    probe = Talker(gig.server, "jack_probe")
    assert probe.ask("connect")
    time.sleep(0.5)
    begun, _ = probe.ask("mark")
    gig.board.ask("send 192 1")
    gig.agree(preset=2)
    for value in range(0, 128, 8):
        gig.board.ask(f"send 176 11 {value}")
    eventually(lambda: gig.send("amp.gain_db") == "amp.gain_db -3.3 dB")
    gig.tablet.send("/rtfx/preset/next", 1.0)
    gig.tablet.send("/rtfx/preset/next", 0.0)
    gig.agree(preset=3)
    gig.tablet.send("/rtfx/amp/gain_db", -5.0)
    eventually(lambda: gig.send("amp.gain_db") == "amp.gain_db -5.0 dB")
    gig.board.ask("send 176 80 127")
    gig.agree(preset=3, bypass=True)
    gig.board.ask("send 176 80 0")
    gig.send("bypass", "off")
    gig.board.kill()
    gig.player.says("board:out has gone")
    gig.send("next")
    gig.agree(preset=1, bypass=False)
    gig.plug_in()
    gig.board.ask("send 192 2")
    gig.agree(preset=3)
    ended, xruns = probe.ask("mark")
    assert probe.ask(f"save {tmp_path / 'heard.npy'}")
    probe.end()
    sent, back = np.load(tmp_path / "heard.npy")[:, begun:ended]
    late = int(np.argmax([sent[: 4000 - delay] @ back[delay:4000] for delay in range(3000)]))
    frames, gain = gains(sent, back, late)
    if not xruns:  # JACK's dummy driver skips periods on a busy machine
        assert gain.min() > QUIETEST and gain.max() < LOUDEST
        assert (np.abs(np.diff(gain)) <= STEEPEST * np.diff(frames) + 1e-4).all(), "a click"
    code, stats, _ = gig.player.ends(2)
    assert code == 0 and stats["preset"] == "third" and stats["non_finite_blocks"] == 0


def test_a_server_that_dies_and_returns_in_the_middle(gig):
    gig.board.ask("send 192 1")
    gig.agree(preset=2)
    gig.server.kill()
    gig.board.kill()
    gig.player.says("waiting")
    gig.send("mute", "on")
    gig.server.begin_again()
    gig.player.says("is back")
    gig.plug_in()
    gig.board.ask("send 192 2")
    gig.send("mute", "off")
    gig.agree(preset=3, mute=False)
    assert gig.send("quit") == "fading out"
    code, stats, _ = gig.player.ends()
    assert code == 0 and stats["preset"] == "third" and stats["reconnects"] == 1
