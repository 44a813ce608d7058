"""play on a real JACK server: the ports that it uses, the period that runs, and the lines that it prints."""

import signal
import subprocess
import sys

import pytest

from tests.host.jack_server import PERIOD, RATE, Server, Talker, installed

from .live import Play, close_players, play

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="JACK's dummy driver is tried on Linux"),
    pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2"),
]
GUITAR = {("system:capture_1", "rtfx:in_1"), ("system:capture_2", "rtfx:in_2")}
SPEAKERS = {("rtfx:out_1", "system:playback_1"), ("rtfx:out_2", "system:playback_2")}


@pytest.fixture
def server(request):
    with Server(**getattr(request, "param", {})) as server:
        yield server
        close_players()


def links(server) -> set[tuple[str, str]]:
    """Return (output port, input port) of each connection, by jack_lsp."""
    listed = subprocess.run(["jack_lsp", "-c"], env=server.environment, capture_output=True, text=True, timeout=30)
    found, port = set(), ""
    for line in listed.stdout.splitlines():
        if line.startswith(" "):
            found.add(tuple(sorted((port, line.strip()), key=lambda name: ":in_" in name or ":playback_" in name)))
        else:
            port = line
    return found


def test_physical_ports_are_taken_and_no_program(server):
    """Another program has registered ports before."""
    other = Talker(server, "jack_probe")
    player = play(server)
    assert links(server) == GUITAR | SPEAKERS
    assert any(f"playing on system (JACK) at {RATE} Hz, {PERIOD} frames" in line for line in player.said)
    assert other.ask("period") == PERIOD, "the period of a JACK server is nobody's to change unasked"
    code, stats, _ = player.ends(signal.SIGTERM)
    other.end()
    assert code == 0 and stats["block_frames"] == PERIOD
    parts = [stats[f"latency_{part}_ms"] for part in ("in", "block", "model", "out")]
    assert stats["latency_ms"] == pytest.approx(sum(parts)) and parts[1] == pytest.approx(1000.0 * PERIOD / RATE)
    assert max(parts) < 100.0, "no latency below zero that is read as days"


@pytest.mark.parametrize(
    ("asked", "runs"), [(["-b", 64], 64), (["--latency", "low"], 64), (["--latency", "0.05"], 1024)]
)
def test_the_period_that_was_asked_for_runs_and_goes_back(server, asked, runs):
    other = Talker(server, "jack_probe")
    player = play(server, *asked)
    assert other.ask("period") == runs
    assert any("above 12 ms" in line for line in player.said) == (runs == 1024)
    assert player.ends(signal.SIGTERM)[1]["block_frames"] == runs
    assert other.ask("period") == PERIOD
    other.end()


def test_two_players_hear_an_input_each(server):
    players = [play(server, "--in-channel", 1), play(server, "--in-channel", 2)]
    second = {(a.replace("rtfx:", "rtfx-2:"), b.replace("rtfx:", "rtfx-2:")) for a, b in GUITAR | SPEAKERS}
    assert links(server) == GUITAR | SPEAKERS | second
    assert [player.ends(signal.SIGTERM)[0] for player in players] == [0, 0]


@pytest.mark.parametrize("server", [{"inputs": 0}], indirect=True)
def test_a_server_without_inputs(server):
    """The ports of another program are not used as input."""
    other = Talker(server, "jack_probe")
    refused = Play(server, "--model", "klon.json")
    refused.says("no input device found: connect one, play a file with --input FILE")
    assert refused.process.wait(60) == 1
    other.end()
