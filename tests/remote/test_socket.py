"""The socket of a player: who may open it, what it answers, and what floods, silence and death do to it."""

import os
import resource
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

import pytest

from rtfx.errors import DeviceError
from rtfx.remote import socket as sockets
from rtfx.remote.socket import LONGEST_LINE, MOST_CONNECTIONS, CommandSocket, Player, folder, player, players
from rtfx.remote.surfaces import Surfaces
from tests.live.eventually import eventually

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets")


@pytest.fixture(autouse=True)
def runtime(tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("run")
    place.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place / "rtfx"


@pytest.fixture
def open_socket(stream):
    stream.accompany(found := CommandSocket(stream, "stage"))
    return found


@pytest.fixture
def connect(open_socket):
    """Return a function that connects; the connections are closed at the end."""
    made = []

    def connected() -> socket.socket:
        made.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        made[-1].settimeout(20.0)
        made[-1].connect(str(open_socket.path))
        return made[-1]

    yield connected
    for connection in made:
        connection.close()


def test_lines_are_answered_in_turn(open_socket, stream):
    lines = ["preset next", "boost.gain_db -3", "boost.gain_db", "preset 9", "set boost.gain_db 999", "", "mute on"]
    found = list(player().ask(iter(lines)))
    assert [code for code, _ in found] == [0, 0, 0, 2, 2, 2, 0]
    assert [text for _, text in found[:3]] == ["preset 2: crunch", "boost.gain_db -3.0 dB", "boost.gain_db -3.0 dB"]
    assert (stream.preset, stream.get("boost.gain_db"), stream.mute) == (1, -3.0, True)


def test_only_the_user_may_open_it(open_socket, runtime):
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE(open_socket.path.stat().st_mode) == 0o600


def test_a_folder_that_others_can_open_is_closed_to_them(runtime):
    runtime.mkdir(mode=0o755)
    assert stat.S_IMODE(folder().stat().st_mode) == 0o700


def test_a_link_in_place_of_the_folder_is_refused(runtime, tmp_path):
    runtime.symlink_to(tmp_path)
    with pytest.raises(DeviceError, match="is no folder"):
        folder()


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the system does not name the other end")
@pytest.mark.parametrize(("user", "served"), [(0, True), (4711, False), (None, True)])
def test_another_user_is_sent_away(user, served):
    class Connection:
        def getsockopt(self, *_):
            return struct.pack("3i", 1, os.getuid() if user is None else user, 100)

    assert sockets._is_mine(Connection()) == served


def test_the_newest_player_answers_and_a_name_chooses(open_socket, stream):
    time.sleep(0.02)
    stream.accompany(newer := CommandSocket(stream, "box two/left"))
    assert [one.name for one in players()] == ["box two/left", "stage"]
    assert player().path == newer.path and player("stage").path == open_socket.path
    with pytest.raises(DeviceError, match="no player is named 'bass', those that run: box two/left, stage"):
        player("bass")


def test_the_socket_of_a_killed_player_is_removed(open_socket, runtime):
    code = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()"
    dead = runtime / "999999-stage.sock"
    subprocess.run([sys.executable, "-c", code, str(dead)], check=True)
    assert dead.exists()
    assert [one.process for one in players()] == [os.getpid()]
    assert not dead.exists() and open_socket.path.exists()


def test_nobody_plays():
    with pytest.raises(DeviceError, match="no player runs: start one with rtfx play"):
        player()


def test_it_ends_with_the_stream(connect, open_socket, stream):
    connection = connect()
    stream.close()
    assert connection.recv(10) == b"" and not open_socket.path.exists() and players() == []
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "rtfx socket"])


def test_quit_is_answered(open_socket, stream):
    assert list(player().ask(iter(["quit"]))) == [(0, "fading out")]
    assert stream.wait(20.0)


def test_who_does_not_read_answers_keeps_nobody_waiting(connect):
    """The silent one fills its own pipe; its lines wait on its side, not in this process."""
    silent = connect()
    silent.setblocking(False)
    sent, flood = 0, b"state\n" * 1000
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        try:
            sent += silent.send(flood)
        except BlockingIOError:
            time.sleep(0.01)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert list(player().ask(iter(["mute on"]))) == [(0, "muted")]
    time.sleep(0.2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    silent.close()


def test_a_line_without_an_end_is_cut_off(connect):
    connection = connect()
    connection.sendall(b"x" * (LONGEST_LINE + 1))
    assert connection.recv(100) == b"2 the line is too long\n"
    assert connection.recv(100) == b""


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\x00", b"set boost.gain_db nan", b"set boost.gain_db \x1b[2J", b"preset -1"]
)
def test_nonsense_is_answered(connect, line):
    connection = connect()
    connection.sendall(line + b"\nmute on\n")
    with connection.makefile("rb") as answers:
        assert answers.readline()[:2] == b"2 " and answers.readline() == b"0 muted\n"


def test_too_many_connections_are_ended_and_later_ones_served(connect, open_socket):
    held = [connect() for _ in range(MOST_CONNECTIONS)]
    eventually(lambda: len(open_socket._connections) == MOST_CONNECTIONS)
    assert connect().recv(10) == b""
    for connection in held:
        connection.close()
    eventually(lambda: not open_socket._connections)
    assert list(player().ask(iter(["mute on"]))) == [(0, "muted")]


def test_ten_thousand_lines_change_what_they_say(open_socket, stream):
    lines = (f"boost.gain_db {-20.0 * step / 10_000:.4f}" for step in range(10_001))
    assert sum(code for code, _ in player().ask(lines)) == 0
    assert stream.get("boost.gain_db") == -20.0


def test_a_path_that_is_too_long_is_told_and_the_sound_goes_on(stream, runtime, monkeypatch):
    deep = runtime.parent / ("x" * 100)
    deep.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(DeviceError, match="is too long for a socket"):
        CommandSocket(stream, "stage")
    Surfaces("stage").open(stream)
    assert any("rtfx send cannot reach this player" in line for line in stream.news())


def test_a_player_that_goes_away_is_named(runtime):
    folder()
    gone = Player("stage", 1, runtime / "1-stage.sock")
    with pytest.raises(DeviceError, match="the player 'stage' does not answer"):
        list(gone.ask(iter(["mute"])))


def test_without_a_runtime_folder_the_cache_is_used(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(sockets.os, "access", lambda path, mode: False)
    monkeypatch.setenv("RTFX_CACHE_DIR", str(tmp_path))
    assert folder() == tmp_path / "run"
