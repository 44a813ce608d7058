"""play on a real PipeWire: the ports that it uses, the period that runs, and the lines that it prints."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.host.jack_server import Talker
from tests.host.pipewire_server import PipeWire, installed

from .command import COMMAND, ENVIRONMENT
from .live import PATIENCE, Play, close_players, play

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PipeWire runs on Linux"),
    pytest.mark.skipif(not installed(), reason="PipeWire is not installed: see README's test command"),
]
GUITAR = {("guitar:capture_FL", "rtfx:in_1"), ("guitar:capture_FR", "rtfx:in_2")}
SPEAKERS = {("rtfx:out_1", "out:playback_FL"), ("rtfx:out_2", "out:playback_FR")}
PHONES = {("rtfx:out_1", "phones:playback_FL"), ("rtfx:out_2", "phones:playback_FR")}


@pytest.fixture(scope="module")
def desktop():
    """A desktop with two sinks and a source; the guitar is not the first device, and one name occurs twice."""
    with PipeWire() as server:
        server.make("sink", "out", "Speakers")
        server.make("source", "guitar", "Scarlett")
        server.make("sink", "phones", "Scarlett")
        yield server


@pytest.fixture
def server(desktop, monkeypatch, tmp_path):
    """The same, with no saved devices, the speakers as default, and no player left running."""
    monkeypatch.setitem(desktop.environment, "XDG_CONFIG_HOME", str(tmp_path))
    desktop.default("sink", "out")
    desktop.default("source", "guitar")
    yield desktop
    close_players()


def period(server) -> int:
    """Return the period that another client of the server sees."""
    probe = Talker(server.for_jack, "jack_probe")
    try:
        server.run("pw-link", "rtfx:out_1", "probe:receive")  # into the same part of the graph
        deadline = time.monotonic() + 10.0
        seen = [probe.ask("period")]
        while (len(seen) < 20 or len(set(seen[-20:])) > 1) and time.monotonic() < deadline:
            time.sleep(0.02)
            seen.append(probe.ask("period"))
        return seen[-1]
    finally:
        probe.end()


def test_the_defaults_are_taken_and_no_monitor(server):
    player = play(server)
    assert server.links() == GUITAR | SPEAKERS
    assert any("Scarlett > Speakers (PipeWire's JACK) at 48000 Hz, 64 frames" in line for line in player.said)
    assert period(server) == 64
    code, stats, _ = player.ends(signal.SIGTERM)
    assert code == 0
    assert (stats["input_device"], stats["output_device"]) == ("Scarlett", "Speakers")
    assert stats["block_frames"] == 64


def test_what_nobody_knows_is_unknown(server):
    """Devices without hardware report no latency: it is unknown, and null in JSON."""
    player = play(server)
    line = next(line for line in player.said if "latency" in line)
    assert "latency unknown, at least 1.3 ms: device in unknown, block 1.3, model 0.0, device out unknown" in line
    stats = player.ends(signal.SIGTERM)[1]
    assert stats["latency_ms"] is stats["latency_in_ms"] is stats["latency_out_ms"] is None
    assert stats["latency_block_ms"] == pytest.approx(64 / 48.0)


@pytest.mark.parametrize(
    ("asked", "runs"),
    [(["-b", 256], 256), (["-b", 1024], 1024), (["--latency", "0.01"], 128), (["--latency", "high"], 1024)],
)
def test_what_was_asked_for_is_what_runs(server, asked, runs):
    player = play(server, *asked)
    assert period(server) == runs
    felt = [line for line in player.said if "above 12 ms" in line]
    assert bool(felt) == (runs == 1024) and all("-b 64" in line for line in felt)
    assert player.ends(signal.SIGTERM)[1]["block_frames"] == runs


def test_a_block_that_is_not_granted_is_reported(server):
    server.run("pw-metadata", "-n", "settings", "0", "clock.force-quantum", "512")
    try:
        player = play(server)
        assert any("64 frames were requested, 512 run" in line for line in player.said), player.said
        assert player.ends(signal.SIGTERM)[1]["block_frames"] == 512
    finally:
        server.run("pw-metadata", "-n", "settings", "0", "clock.force-quantum", "0")


def test_another_default(server):
    server.default("sink", "phones")
    play(server)
    assert server.links() == GUITAR | PHONES


def test_each_side_is_named_by_itself(server):
    play(server, "-o", "phones")
    assert server.links() == GUITAR | PHONES, "the input is still the default"


def test_a_device_with_one_side_leaves_the_other_to_the_default(server):
    player = play(server, "--device", "Speakers")
    assert server.links() == GUITAR | SPEAKERS, "its monitor is not its input"
    assert any("Speakers has no input of its own: the guitar comes in at Scarlett" in line for line in player.said)


def test_two_sides_of_one_name(server):
    play(server, "--device", "Scarlett")
    assert server.links() == GUITAR | PHONES


def test_a_monitor_is_taken_if_it_is_named(server):
    player = play(server, "-i", "Monitor of Scarlett", "-o", "Speakers")
    links = {("phones:monitor_FL", "rtfx:in_1"), ("phones:monitor_FR", "rtfx:in_2")}
    assert server.links() == links | SPEAKERS
    assert not any("muted" in line for line in player.said), "it cannot hear itself"


def test_its_own_monitor_starts_muted(server):
    player = play(server, "-i", "Monitor of Speakers", "-o", "Speakers")
    assert any("muted: 'Monitor of Speakers' repeats what is played, and would howl" in line for line in player.said)


def test_what_was_named_is_remembered(server):
    play(server, "-o", "phones").ends(signal.SIGTERM)
    play(server)
    assert server.links() == GUITAR | PHONES
    Play.running.pop().close()
    server.wait(lambda: not server.links(), "the links to go")
    play(server, "-o", "Speakers")
    assert server.links() == GUITAR | SPEAKERS


def test_a_second_player_and_a_name(server):
    players = [play(server, "--in-channel", 1), play(server, "--in-channel", 2), play(server, "--name", "left hand")]
    clients = {port.partition(":")[0] for link in server.links() for port in link}
    assert clients == {"rtfx", "rtfx-2", "left hand", "guitar", "out"}
    assert all(player.ends(signal.SIGTERM)[0] == 0 for player in players)


def test_pipewires_alsa_plugin_is_not_the_way_to_it(server):
    player = play(server, "--device", "pipewire")
    assert server.links() == GUITAR | SPEAKERS
    assert any("PipeWire's JACK" in line for line in player.said)


def test_the_round_trip_inside_pipewire(server):
    """The delay from the rig's output to its input from the sink's monitor is one period."""
    done = server.run(*COMMAND, "latency", "--jack-loop", "--json", "-b", "128", "-o", "Speakers")
    found = json.loads(done)
    print(found)
    assert found["measured_frames"] == found["block_frames"] == 128
    assert found["difference_ms"] == pytest.approx(0.0)


WITHOUT_LIBRARY = "from rtfx.host import jack; from rtfx.cli import main; jack.PIPEWIRE_LIBRARIES = (); main.main()"


def test_without_its_jack_library_the_package_is_named(server):
    """rtfx then plays through PipeWire's ALSA plugin, in blocks of the requested length."""
    command = [sys.executable, "-c", WITHOUT_LIBRARY, "play", "--model", "klon.json", "--headless", "--json"]
    done = subprocess.run(
        [*command, "--seconds", "1"],
        env=ENVIRONMENT | server.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert "without its JACK library" in done.stderr and "apt install pipewire-jack" in done.stderr
    stats = json.loads(done.stdout)
    assert (done.returncode, stats["route"], stats["block_frames"]) == (0, "ALSA", 64), done.stderr


def test_devices_lists_monitors_apart(server):
    listed = server.run(*COMMAND, "devices", "--json").splitlines()
    found = {entry["key"]: entry for entry in map(json.loads, listed) if entry["route"] == "PipeWire's JACK"}
    assert {key for key, entry in found.items() if entry["monitor"]} == {"out.monitor", "phones.monitor"}
    assert [key for key, entry in found.items() if entry["default_input"]] == ["guitar"]
    assert [key for key, entry in found.items() if entry["default_output"]] == ["out"]
    assert found["guitar"]["output_channels"] == 0 and found["out"]["input_channels"] == 0
