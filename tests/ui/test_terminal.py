"""The terminal is restored at every end of a session, and the view never clears it during one."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import textwrap
import time

import pytest
import soundfile

termios = pytest.importorskip("termios", reason="POSIX terminals")

from rtfx.ui.terminal import CLEAR, ENTER, LEAVE  # noqa: E402
from tests.cli.command import COMMAND, ENVIRONMENT, MODEL, RATE  # noqa: E402

from .test_keyboard import stopped  # noqa: E402

VIEW = textwrap.dedent("""
    import os, subprocess, sys, time
    from rtfx.cli.signals import Signals
    from rtfx.ui import session
    from rtfx.ui.terminal import Terminal
    from rtfx.ui.view import LiveView
    from tests.live.fake_stream import FakeStream
    with Signals() as signals:
        signals.playing = True
        terminal, stream = Terminal(), FakeStream()
        with terminal:
            shown = LiveView(stream, terminal.screen, terminal.painter, terminal.stray)
            {body}
            ending = session.play(stream, shown, terminal.keyboard, lambda: signals.stopped)
    print("ended:", ending, flush=True)
""")


class Console:
    """A pseudo-terminal of 80 by 24 with a process in it."""

    def __init__(self, command, leader=False):
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.text = ""

        def child():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests are a background job
            if leader:
                os.setsid()
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            else:
                os.setpgrp()

        environment = ENVIRONMENT | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        environment.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=child, env=environment
        )

    def read(self, seconds=0.0):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:
                pass

    def until(self, condition, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.text[-2000:]
            self.read(0.02)

    def shows(self, part, seconds=60.0):
        self.until(lambda: part in self.text, seconds)

    def ends(self, seconds=20.0):
        self.until(lambda: self.process.poll() is not None, seconds)
        for _ in range(20):
            self.read(0.005)
        return self.process.returncode

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before and self.text.count(ENTER) == self.text.count(LEAVE)

    def stopped(self):
        return stopped(self.process)

    def send(self, number):
        self.process.send_signal(number)

    def close(self):
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.process.kill()
        self.process.wait(20)
        for descriptor in (self.master, self.slave):
            try:
                os.close(descriptor)
            except OSError:
                pass


@pytest.fixture
def console():
    made = []

    def make(body="pass", command=None, leader=False):
        made.append(Console(command or [sys.executable, "-c", VIEW.format(body=body)], leader))
        return made[-1]

    yield make
    for item in made:
        item.close()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_view_and_gives_all_back(console, name):
    page = console()
    page.shows("? all keys")
    assert not termios.tcgetattr(page.slave)[3] & (termios.ECHO | termios.ICANON)
    page.send(getattr(signal, name))
    assert page.ends() == 0
    assert page.restored() and "ended: stopped" in page.text.rpartition(LEAVE)[2]


def test_an_exception_is_told_after_the_page(console):
    page = console("stream.meters = lambda: 1 / 0")
    assert page.ends() == 1
    assert page.restored() and "ZeroDivisionError" in page.text.rpartition(LEAVE)[2]


def test_sys_exit_and_a_crash_of_python_itself(console):
    for body in ("sys.exit(3)", "os._exit(4)", "os.abort()"):
        page = console(body)
        page.ends()
        page.until(page.restored, 20)
        page.close()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_kill_that_nothing_can_catch(console, name):
    page = console()
    page.shows("? all keys")
    page.send(getattr(signal, name))
    assert page.ends() == -getattr(signal, name)
    page.until(page.restored, 20)


def test_modes_that_someone_else_has_set_since_are_left(console):
    page = console()
    page.shows("? all keys")
    page.send(signal.SIGSTOP)
    other = termios.tcgetattr(page.slave)
    other[3] |= termios.ECHO
    termios.tcsetattr(page.slave, termios.TCSANOW, other)
    page.send(signal.SIGKILL)
    page.until(lambda: LEAVE in page.text, 20)
    time.sleep(0.3)
    assert termios.tcgetattr(page.slave) == other


@pytest.mark.parametrize("child", ["subprocess.Popen(['sleep', '60'])", "terminal.guard.process"])
def test_killing_a_child_changes_nothing(console, child):
    page = console(f"child = {child}; child.kill(); child.wait(); shown.say('child is gone')")
    page.shows("child is gone")
    os.write(page.master, b"q")
    assert page.ends() == 0 and page.restored()


def test_suspended_and_continued(console):
    page = console()
    page.shows("? all keys")
    page.send(signal.SIGTSTP)
    page.until(page.stopped, 20)
    page.until(page.restored, 20)
    mark = len(page.text)
    page.send(signal.SIGCONT)
    page.until(lambda: ENTER in page.text[mark:] and "worst block" in page.text[mark:], 20)
    assert not termios.tcgetattr(page.slave)[3] & termios.ICANON
    os.write(page.master, b"q")
    assert page.ends() == 0 and page.restored()


def test_keys_and_a_new_size_without_flicker(console):
    page = console("stream.levels = [-10.0, -20.0]")
    page.shows("? all keys")
    mark = len(page.text)
    for key in (b"\t", b"+", b"+", b"b", b"m", b"2"):
        os.write(page.master, key)
    page.shows("preset 2: crunch")
    page.until(lambda: "MUTED" in page.text and "0.54" in page.text)
    assert not re.search(r"\x1b\[[0-3]?J|\x1bc|\x1b\[[12]K", page.text[mark:]), "nothing is cleared"
    mark = len(page.text)
    fcntl.ioctl(page.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
    page.until(lambda: CLEAR in page.text[mark:] and "worst block" in page.text[mark:])
    assert page.text[mark:].count(CLEAR) == 1
    assert not re.search(r"\x1b\[2[1-9];1H", page.text[mark:]), "no line below the new page"
    os.write(page.master, b"q")
    assert page.ends() == 0 and page.restored()


def test_what_others_print_is_shown_within_the_page_and_kept(console):
    page = console("os.write(2, b'ALSA lib: underrun\\n')")
    page.shows("ALSA lib: underrun")
    os.write(page.master, b"q")
    assert page.ends() == 0 and page.restored()
    inside, _, after = page.text.rpartition(LEAVE)
    assert inside.count("ALSA") == 1 and "ALSA lib: underrun\r\n" in after


def test_a_stalled_terminal_does_not_hold_the_end(console):
    page = console("stream.meters = (lambda m, s: lambda: (s.levels.reverse(), m())[1])(stream.meters, stream)")
    page.shows("? all keys")
    time.sleep(3.0)  # the output is not read
    page.send(signal.SIGTERM)
    begun = time.monotonic()
    page.process.wait(10)
    assert time.monotonic() - begun < 8.0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_play_itself(console, name):
    """The command as a user starts it, in a terminal of its own."""
    page = console(command=[*COMMAND, "play", MODEL, "--device", "null"], leader=True)
    page.shows("? all keys", 120)
    page.shows("worst block")
    page.send(getattr(signal, name))
    code = page.ends()
    page.until(page.restored, 20)
    if name == "SIGTERM":
        assert code == 0 and "rtfx: played" in page.text.rpartition(LEAVE)[2]


def test_play_ends_well_with_its_window(console, tmp_path):
    take = tmp_path / "take.wav"
    page = console(command=[*COMMAND, "play", MODEL, "--device", "null", "--record", str(take)], leader=True)
    page.shows("? all keys", 120)
    time.sleep(0.5)
    os.close(page.slave)
    os.close(page.master)
    assert page.process.wait(20) == 0
    made, _ = soundfile.read(take)
    assert len(made) > RATE // 10, "the recording is complete"
