"""The bytes sent to the terminal: few, without clearing it, and at the end all modes are restored."""

import fcntl
import os
import re
import struct
import threading
import time

import pytest

termios = pytest.importorskip("termios", reason="POSIX terminals")

from rtfx.ui.terminal import CLEAR, ENTER, LEAVE, Guard, Screen, Stray, modes  # noqa: E402

ERASES = re.compile(r"\x1b\[[0-3]?J|\x1bc|\x1b\[[12]K")  # the page, or a line before it is written anew


def resize(descriptor, columns, rows):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@pytest.fixture
def terminal():
    """(master, slave) of a pseudo-terminal of 80 by 24."""
    master, slave = os.openpty()
    resize(slave, 80, 24)
    os.set_blocking(master, False)
    yield master, slave
    os.close(master)
    os.close(slave)


def read(master):
    text = b""
    for _ in range(20):
        try:
            text += os.read(master, 65536)
        except (BlockingIOError, OSError):
            time.sleep(0.002)
    return text.decode()


def test_only_lines_that_change_are_written_and_nothing_is_cleared(terminal):
    master, slave = terminal
    screen = Screen(slave)
    screen.enter()
    assert read(master) == ENTER
    screen.draw(["one", "two", "three"])
    first = read(master)
    assert not ERASES.search(first) and all(word in first for word in ("one", "two", "three"))
    screen.draw(["one", "2", "three"])
    second = read(master)
    assert not ERASES.search(second)
    assert "\x1b[2;1H2\x1b[0m\x1b[K" in second and "one" not in second and "three" not in second
    screen.draw(["one", "2", "three"])
    assert read(master) == ""
    screen.draw(["one"])
    assert "\x1b[2;1H\x1b[0m\x1b[K\x1b[3;1H\x1b[0m\x1b[K" in read(master), "lines that are gone"
    screen.close()
    assert read(master) == LEAVE


def test_a_new_size_is_drawn_as_a_whole(terminal):
    master, slave = terminal
    screen = Screen(slave)
    screen.enter()
    screen.draw(["one", "two"])
    read(master)
    resize(slave, 100, 30)
    assert screen.size == (100, 30)
    screen.draw(["one", "two"])
    text = read(master)
    assert CLEAR in text and "one" in text and "two" in text
    resize(slave, 100, 1)
    screen.draw(["one", "two"])
    assert "two" not in read(master)
    screen.close()


def test_a_terminal_that_takes_nothing_is_not_waited_for(terminal):
    master, slave = terminal
    screen = Screen(slave)
    screen.enter()
    begun = time.monotonic()
    for step in range(200):
        screen.draw([f"{step} {row} " + "x" * 70 for row in range(24)])
    assert time.monotonic() - begun < 5.0
    read(master)
    read(master)
    screen.draw(["fresh", "page"])
    text = read(master)
    assert CLEAR in text and "fresh" in text and "page" in text, "after a loss the whole page is drawn"
    screen.close()
    assert read(master).endswith(LEAVE)


def test_leaving_a_stalled_terminal_ends(terminal):
    master, slave = terminal
    screen = Screen(slave)
    screen.enter()
    for step in range(200):
        screen.draw([f"{step} {row} " + "x" * 70 for row in range(24)])
    begun = time.monotonic()
    screen.close()
    assert time.monotonic() - begun < 2.0


def test_a_closed_terminal_is_no_error():
    master, slave = os.openpty()
    screen = Screen(slave)
    screen.enter()
    os.close(master)
    screen.draw(["one"])
    screen.close()
    os.close(slave)


def test_stray_lines_are_caught_and_given_back(capfd):
    stray = Stray()
    stray.catch()
    try:
        os.write(2, b"ALSA lib: under")
        assert stray.lines() == []
        os.write(2, b"run\n\nrtfx: device lost\nhalf a")
        assert stray.lines() == ["ALSA lib: underrun", "rtfx: device lost"]
        assert capfd.readouterr().err == ""
    finally:
        stray.release()
    assert capfd.readouterr().err == "ALSA lib: underrun\nrtfx: device lost\nhalf a\n"
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    stray.release()


def test_nobody_waits_to_be_caught(capfd):
    stray = Stray()
    stray.catch()
    done = threading.Event()

    def flood():
        for _ in range(1000):
            try:
                os.write(2, b"x" * 1000 + b"\n")
            except BlockingIOError:
                pass
        done.set()

    threading.Thread(target=flood, daemon=True).start()
    assert done.wait(20)
    assert stray.lines()
    stray.release()
    assert len(capfd.readouterr().err.splitlines()) <= 100


def test_a_dismissed_guard_says_nothing(terminal):
    master, slave = terminal
    guard = Guard(slave, LEAVE, modes(slave))
    guard.dismiss()
    guard.dismiss()
    assert read(master) == ""
