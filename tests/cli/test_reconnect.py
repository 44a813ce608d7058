"""play on a JACK server that is killed, frozen, started again, at another rate: it prints that, waits, continues."""

import os
import signal
import sys
import time

import pytest

from tests.host.jack_server import Server, installed

from .live import PATIENCE, Play, close_players, exit_seconds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="JACK's dummy driver is tried on Linux"),
    pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2"),
]
SET_LIST = """\
version: 1
presets:
  - {name: first, chain: [{type: gain}]}
  - {name: second, chain: [{type: gain}, {type: gain}]}
"""


@pytest.fixture
def server():
    with Server() as server:
        yield server
        close_players()


@pytest.mark.parametrize("rate", [48000, 44100])
def test_plays_on_when_the_server_is_back(server, tmp_path, rate):
    path = tmp_path / "set.yaml"
    path.write_text(SET_LIST)
    play = Play(server, f"{path}:second", "-p", "gain.gain_db=-3", "--seconds", 600)
    play.says("playing on system", "48000 Hz")
    for number in (signal.SIGKILL, signal.SIGTERM):
        server.process.send_signal(number)
        server.process.wait()
        # a server that gets SIGTERM closes its clients first
        play.says("system has stopped", "JACK", *(["server has ended"] if number == signal.SIGKILL else []), "waiting")
        server.begin_again(rate)
        play.says(
            *(["system is back"] if rate == 48000 or number == signal.SIGTERM else ["playing on system", "44100"])
        )
    time.sleep(0.5)
    code, stats, seconds = play.ends(signal.SIGTERM)
    assert code == 0, play.said
    assert stats["reconnects"] == 2 and stats["sample_rate"] == rate
    assert stats["preset"] == "second"
    assert stats["frames"] > 0.2 * rate, "it asks for sound again"
    assert seconds < exit_seconds()
    assert not any("Traceback" in line or "ALSA lib" in line for line in play.said), play.said


def test_no_reconnect_leaves_and_says_why(server):
    play = Play(server, "--model", "klon.json", "--no-reconnect")
    play.says("preset 1")
    begin = time.monotonic()
    server.kill()
    code, stats, _ = play.ends()
    assert time.monotonic() - begin < exit_seconds()
    assert code == 1
    assert "JACK server has ended" in play.said[-1]
    assert stats["reconnects"] == 0 and stats["frames"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_leaves_while_it_waits(server, number):
    play = Play(server, "--model", "klon.json")
    play.says("preset 1")
    server.kill()
    play.says("waiting")
    time.sleep(1.0)
    code, _, seconds = play.ends(number)
    assert code == 0 and seconds < exit_seconds()


def test_a_rate_that_was_asked_for_is_waited_for(server):
    play = Play(server, "--model", "klon.json", "--rate", 48000)
    play.says("preset 1")
    server.kill()
    play.says("waiting")
    server.begin_again(44100)
    play.says("system runs at 44100 Hz now, not at 48000", "waiting")
    server.kill()
    server.begin_again(48000)
    play.says("system is back")
    assert play.ends(signal.SIGTERM)[0] == 0


def test_a_server_that_freezes_and_continues(server):
    """It is not opened a second time: two streams would sound at once."""
    play = Play(server, "--model", "klon.json")
    play.says("preset 1")
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        play.says("has not asked for sound", "waiting")
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    play.says("system is back")
    code, stats, _ = play.ends(signal.SIGTERM)
    assert code == 0
    assert stats["reconnects"] <= 1, "none, unless the server has removed its clients"


@pytest.mark.parametrize("when", ["playing", "starting"])
def test_leaves_a_frozen_server(server, when):
    if when == "playing":
        play = Play(server, "--model", "klon.json")
        play.says("preset 1")
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        if when == "starting":
            play = Play(server, "--model", "klon.json")
        time.sleep(2.0)
        begin = time.monotonic()
        play.process.send_signal(signal.SIGTERM)
        play.process.wait(PATIENCE)
        seconds = time.monotonic() - begin
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
        play.close()
    assert seconds < exit_seconds()
    assert play.process.returncode >= 0, "ended by itself, not by a crash"
