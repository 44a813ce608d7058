"""play on a PipeWire whose devices disappear and return, also at other rates: messages, waiting, no feedback."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tests.host.pipewire_server import PipeWire, installed

from .live import PATIENCE, Play, close_players, exit_seconds, play

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PipeWire runs on Linux"),
    pytest.mark.skipif(not installed(), reason="PipeWire is not installed: see README's test command"),
]
GUITAR = {("guitar:capture_FL", "rtfx:in_1"), ("guitar:capture_FR", "rtfx:in_2")}
SPEAKERS = {("rtfx:out_1", "out:playback_FL"), ("rtfx:out_2", "out:playback_FR")}


@pytest.fixture
def server(monkeypatch, tmp_path, request):
    with PipeWire(*getattr(request, "param", (48000,))) as server:
        server.environment["XDG_CONFIG_HOME"] = str(tmp_path)
        server.make("sink", "out", "Speakers")
        yield server
        close_players()


def test_no_input_but_a_monitor(server):
    player = play(server)
    assert any(
        "muted: the only input there is, 'Monitor of Speakers', repeats what is played" in s for s in player.said
    )
    player.says("muted")


@pytest.mark.parametrize("name", ["out", "guitar"])
def test_a_device_that_goes_and_returns(server, name):
    """Meanwhile there is another device: rtfx does not use it and waits for the chosen one."""
    server.make("source", "guitar", "Guitar")
    server.make("sink", "phones", "Headphones")
    server.default("sink", "out")
    player = play(server)
    server.remove(name)
    player.says("has stopped", "is not there any more", "waiting")
    time.sleep(0.5)
    assert not any("rtfx" in port for link in server.links() for port in link)
    server.make(*{"out": ("sink", "out", "Speakers"), "guitar": ("source", "guitar", "Guitar")}[name])
    player.says("is back: playing")
    assert server.links() == GUITAR | SPEAKERS
    code, stats, _ = player.ends(signal.SIGTERM)
    assert code == 0 and stats["reconnects"] == 1 and stats["block_frames"] == 64


def test_a_default_that_changes_while_it_plays(server):
    server.make("source", "guitar", "Guitar")
    player = play(server)
    server.make("sink", "phones", "Headphones")
    server.default("sink", "phones")
    time.sleep(1.0)
    assert server.links() == GUITAR | SPEAKERS
    code, stats, _ = player.ends(signal.SIGTERM)
    assert code == 0 and stats["reconnects"] == 0


def test_pipewire_ends_and_starts_again(server):
    server.make("source", "guitar", "Guitar")
    player = play(server)
    server.kill()
    player.says("has stopped", "PipeWire has ended", "waiting")
    server.begin_again()
    server.make("sink", "out", "Speakers")
    server.make("source", "guitar", "Guitar")
    player.says("is back: playing")
    assert server.links() == GUITAR | SPEAKERS
    assert player.ends(signal.SIGTERM)[0] == 0


def test_pipewire_freezes_and_continues(server):
    server.make("source", "guitar", "Guitar")
    player = play(server)
    with server.frozen():
        player.says("has not asked for sound", "waiting")
    player.says("is back: playing")
    assert server.links() == GUITAR | SPEAKERS
    assert player.ends(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize("when", ["playing", "starting"])
def test_leaves_a_frozen_pipewire(server, when):
    server.make("source", "guitar", "Guitar")
    player = play(server) if when == "playing" else None
    with server.frozen():
        player = player or Play(server, "--model", "klon.json")
        time.sleep(2.0)
        begin = time.monotonic()
        player.process.send_signal(signal.SIGTERM)
        code = player.process.wait(PATIENCE)
        seconds = time.monotonic() - begin
    assert seconds < exit_seconds() and code >= 0, player.said


def test_a_frozen_pipewire_is_no_missing_card(server):
    with server.frozen():
        Play(server, "--model", "klon.json").says("has not answered for 5 s", "null device")
        Play(server, "--model", "klon.json", "-o", "Speakers").says("has not answered for 5 s", "restart its server")


@pytest.mark.parametrize("server", [(44100,)], indirect=True)
def test_a_graph_at_44_1_khz(server):
    server.make("source", "guitar", "Guitar")
    player = play(server)
    assert any("Guitar > Speakers (PipeWire's JACK) at 44100 Hz, 64 frames" in line for line in player.said)
    code, stats, _ = player.ends(signal.SIGTERM)
    assert code == 0 and stats["sample_rate"] == 44100 and stats["block_frames"] == 64
    refused = Play(server, "--model", "klon.json", "--rate", "96000")
    refused.says("does not run at 96000 Hz, it does: 44100: choose another with --rate")
    assert refused.process.wait(60) == 1


@pytest.mark.parametrize("server", [(48000, (44100,))], indirect=True)
def test_a_graph_that_runs_at_another_rate_than_it_tells(server, tmp_path):
    """A client that plays keeps the graph at its rate; PipeWire reports the default rate to one that does not play yet.

    On a busy machine PipeWire's own player sometimes crashes, and the rate changes back: then the test starts again.
    """
    server.make("source", "guitar", "Guitar")
    soundfile.write(tmp_path / "song.wav", np.zeros((44100 * 120, 2)), 44100)
    for _ in range(5):
        song = subprocess.Popen(["pw-cat", "-p", tmp_path / "song.wav"], env=server.environment)
        try:
            server.wait(lambda: song.poll() is not None or server.node_rate("out") == 44100, "the song's rate")  # noqa: B023
            player = play(server)
            server.wait(lambda: song.poll() is not None or player.has_said("44100 Hz"), "the song's rate")  # noqa: B023
            time.sleep(2.0)
            code, stats, _ = player.ends(signal.SIGTERM)
            crashed = song.poll() is not None
        finally:
            song.terminate()
            song.wait()
        if not crashed:
            break
    assert code == 0 and stats["sample_rate"] == 44100 and stats["reconnects"] <= 1, player.said


def test_a_rate_that_changes_while_it_plays(server):
    server.make("source", "guitar", "Guitar")
    player = play(server)
    server.run("pw-metadata", "-n", "settings", "0", "clock.force-rate", "44100")
    player.says("its sample rate has changed from 48000 to 44100 Hz")
    player.says("playing on Guitar > Speakers", "44100 Hz, 64 frames")
    assert server.links() == GUITAR | SPEAKERS
    code, stats, _ = player.ends(signal.SIGTERM)
    assert code == 0 and stats["sample_rate"] == 44100
