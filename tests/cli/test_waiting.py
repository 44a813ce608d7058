"""Before the server or the card is there, play waits; if no device is named, it plays on the null device first."""

import signal
import subprocess
import sys

import pytest

from tests.host.pipewire_server import PipeWire, installed

from .command import rtfx
from .live import Play, close_players

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PipeWire runs on Linux"),
    pytest.mark.skipif(not installed(), reason="PipeWire is not installed: see README's test command"),
]


@pytest.fixture
def absent(monkeypatch, tmp_path):
    """A PipeWire that is not started yet; the fixture ends it if a test has started it."""
    server = PipeWire()
    monkeypatch.setitem(server.environment, "XDG_CONFIG_HOME", str(tmp_path))
    yield server
    close_players()
    server.__exit__()


def begin(server) -> None:
    """Start the server with a guitar and a sink of four channels."""
    server.__enter__()
    server.make("source", "guitar", "Scarlett")
    server.make("sink", "out", "Quad", "FL FR RL RR")


def linked(server, *wanted) -> None:
    server.wait(lambda: {link for link in server.links() if "rtfx" in str(link)} == set(wanted), "the connections")


GUITAR = (("guitar:capture_FL", "rtfx:in_1"), ("guitar:capture_FR", "rtfx:in_2"))


def test_a_named_device_is_waited_for_and_taken_when_it_comes(absent):
    player = Play(absent, "--model", "klon.json", "--device", "Scarlett", "-o", "Quad", "--out-channels", "3,4")
    player.says("no input device matches 'Scarlett'", "waiting for it, Ctrl-C ends that")
    begin(absent)
    player.says("preset 1")
    rear = [("rtfx:out_3", "out:playback_RL"), ("rtfx:out_4", "out:playback_RR")]
    assert {*GUITAR, *rear} <= absent.links()
    code, stats, _ = player.ends(signal.SIGTERM)
    assert (code, stats["output_device"]) == (0, "Quad")
    waited = [line for line in player.said if "waiting" in line]
    assert len(waited) == len(set(waited)), "each reason is told once"


def test_without_a_name_the_first_device_that_comes_is_taken(absent):
    player = Play(absent, "--model", "klon.json", "--in-channel", "1,2", "-p", "gain=0.7")
    player.says("playing on the null device, without sound")
    player.says("preset 1")
    begin(absent)
    player.says("a sound device is there now: moving to it")
    player.says("preset 1")
    assert set(GUITAR) <= absent.links()
    code, stats, _ = player.ends(signal.SIGTERM)
    assert (code, stats["input_device"], stats["output_device"]) == (0, "Scarlett", "Quad")


def test_a_stop_while_it_waits_ends_it(absent):
    player = Play(absent, "--model", "klon.json", "--device", "Scarlett")
    player.says("waiting for it")
    player.process.send_signal(signal.SIGINT)
    assert player.process.wait(60.0) in (0, -signal.SIGINT, 130)


def test_a_wait_is_no_longer_than_the_play(absent):
    player = Play(absent, "--model", "klon.json", "--device", "Scarlett", "--seconds", "0.5")
    assert player.process.wait(60.0) == 1


def test_a_typing_mistake_is_not_waited_for(absent):
    begin(absent)
    player = Play(absent, "--model", "klon.json", "--device", "Sccarlet")
    player.says("no input device matches 'Sccarlet' (did you mean 'Scarlett'?)")
    assert player.process.wait(60.0) == 1


def test_channels_beyond_the_card_are_refused(absent):
    begin(absent)
    for words, said in (
        (["--out-channels", "5"], "out-channels is 5, but Quad has 4 output channels: name those from 1 to 4"),
        (["--in-channel", "3"], "in-channel is 3, but the input has 2"),
    ):
        player = Play(absent, "--model", "klon.json", *words)
        player.says(said)
        assert player.process.wait(60.0) in (1, 2)


@pytest.mark.parametrize("words", [["--in-channel", "0"], ["--in-channel", "1,1"], ["--out-channels", "a"]])
def test_channels_that_are_none(capsys, words):
    code, _, said = rtfx(capsys, "play", "--device", "null", "--seconds", "0.1", *words)
    assert code == 2 and "expected a channel from 1 to 256, or two with a comma between" in said


def test_a_hangup_that_was_ignored_stays_ignored(absent):
    player = Play(absent, "--model", "klon.json", "--device", "null", "--seconds", "2")
    player.says("preset 1")
    player.process.send_signal(signal.SIGHUP)
    assert player.process.wait(60.0) == 0, "one that was not ignored fades out"
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from rtfx.cli.signals import Signals\n"
        "with Signals() as signals: signal.raise_signal(signal.SIGHUP); print(signals.stopped)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
