"""Keys from bytes in pieces of any size, from a real pseudo-terminal; the terminal is always restored."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from rtfx.ui.keyboard import Decoder, Keyboard

termios = pytest.importorskip("termios", reason="POSIX terminals")

CASES = [
    (b"q", ["q"]),
    (b"12 m+-?", ["1", "2", " ", "m", "+", "-", "?"]),
    (b"\x1b[5~\x1b[6~", ["pageup", "pagedown"]),
    (b"\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
    (b"\x1bOA\x1bOD", ["up", "left"]),
    (b"\x1b[3~x", ["x"]),  # Delete means nothing here
    (b"\x1b[1;5Cx", ["x"]),  # nor does Ctrl-Right
    (b"\x1b[200~abc", ["a", "b", "c"]),
    (b"\x1bxq", ["q"]),  # Alt-x
    (b"\r\n\x00", []),
    (b"\t\x1b[Z", ["tab", "backtab"]),
    ("äq".encode(), ["ä", "q"]),
    (b"\xffq", ["q"]),
    (b"\x1b[" + b"1" * 100 + b"q", []),
]


@pytest.mark.parametrize(("data", "keys"), CASES[:-1])
def test_decoder(data, keys):
    assert Decoder().feed(data) == keys


@pytest.mark.parametrize(("data", "keys"), CASES[:-1])
def test_decoder_byte_by_byte(data, keys):
    decoder = Decoder()
    assert [key for i in range(len(data)) for key in decoder.feed(data[i : i + 1])] == keys


def test_endless_sequence_is_given_up():
    decoder = Decoder()
    decoder.feed(CASES[-1][0])
    assert decoder.feed(b"q")[-1:] == ["q"]


def test_lone_escape():
    decoder = Decoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.waiting
    assert decoder.flush() == ["escape"]
    assert decoder.feed(b"\x1b\x1b") == ["escape"]
    assert decoder.feed(b"[5~") == ["pageup"]


@pytest.fixture
def terminal():
    """(master, slave) of a pseudo-terminal."""
    master, slave = os.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


def modes(descriptor):
    return termios.tcgetattr(descriptor)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


def test_keys_from_a_terminal(terminal):
    master, slave = terminal
    before = modes(slave)
    with Keyboard(slave) as keyboard:
        assert modes(slave) == termios.ISIG  # no lines, no echo, but Ctrl-C
        assert keyboard.poll(0.0) == []
        os.write(master, b"m\x1b[6~")
        assert keyboard.poll(1.0) == ["m", "pagedown"]
        os.write(master, b"\x1b")
        assert keyboard.poll(1.0) == ["escape"]
    assert modes(slave) == before
    assert before & termios.ICANON
    assert before & termios.ECHO


def test_terminal_is_restored_after_an_exception(terminal):
    _, slave = terminal
    before = modes(slave)
    with pytest.raises(RuntimeError), Keyboard(slave):
        raise RuntimeError
    assert modes(slave) == before


def test_hang_up_is_silence(terminal):
    master, slave = os.openpty()
    with Keyboard(slave) as keyboard:
        os.close(master)
        assert keyboard.poll(0.2) == []
        begun = time.monotonic()
        assert keyboard.poll(0.05) == []
        assert time.monotonic() - begun >= 0.05  # no busy loop
    os.close(slave)


READER = textwrap.dedent("""
    import sys, time
    from rtfx.ui.keyboard import Keyboard
    keyboard = Keyboard(0)
    keyboard.__enter__()
    print("ready", flush=True)
    {body}
""")


def in_terminal(slave, body):
    command = [sys.executable, "-c", READER.format(body=body)]
    # a group of its own: the system stops no process of an orphaned group, such as that of a background job
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, preexec_fn=os.setpgrp)
    assert process.stdout.readline() == b"ready\n"
    assert not modes(slave) & termios.ICANON
    return process


def test_terminal_is_restored_at_exit(terminal):
    master, slave = terminal
    before = modes(slave)
    process = in_terminal(slave, "keyboard.poll(30); sys.exit(3)")
    os.write(master, b"x")
    assert process.wait(30) == 3
    process.stdout.close()
    assert modes(slave) == before


def test_terminal_is_lent_back_while_suspended(terminal):
    master, slave = terminal
    before = modes(slave)
    process = in_terminal(slave, "print(keyboard.poll(30), flush=True)")
    try:
        process.send_signal(signal.SIGTSTP)
        wait_for(lambda: stopped(process))
        assert modes(slave) == before
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: not modes(slave) & termios.ICANON)
        os.write(master, b"p")
        assert process.stdout.readline() == b"['p']\n"
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(30)
        process.stdout.close()


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stopped(process):
    """Return whether a child has been stopped; SIGCONT before that would have no effect."""
    return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
