"""Signals end a command at once; an interrupt waits for an import, and a playing stream fades out first."""

import os
import signal
import sys
import threading
import types

import pytest

from rtfx.cli import signals


@pytest.fixture(autouse=True)
def handlers_as_before():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def frames(*files):
    """Return a stack of frames, innermost first, with the attributes that the handler reads."""
    frame = None
    for file in reversed(files):
        frame = types.SimpleNamespace(f_code=types.SimpleNamespace(co_filename=file), f_back=frame)
    return frame


def test_an_interrupt_is_raised_at_once(monkeypatch):
    monkeypatch.setattr(signals.os, "kill", lambda *_: pytest.fail("it was put off"))
    for frame in (None, frames("rtfx/cli/main.py", "rtfx/__main__.py"), sys._getframe()):
        assert not signals.postponed(signal.SIGINT, frame)
        with pytest.raises(KeyboardInterrupt):
            signals.interrupt(signal.SIGINT, frame)


def test_during_an_import_it_comes_again_later(monkeypatch):
    sent, came = [], threading.Event()
    monkeypatch.setattr(signals.os, "kill", lambda *words: (sent.append(words), came.set()))
    inside = frames("numpy/core.py", signals.IMPORTING, "rtfx/__main__.py")
    signals.interrupt(signal.SIGINT, inside)
    assert not sent, "not from within the import"
    assert came.wait(60.0) and sent == [(signals.os.getpid(), signal.SIGINT)]


def test_the_name_of_the_frames_that_import(tmp_path, monkeypatch):
    (tmp_path / "looks_up_the_stack.py").write_text(
        "import sys\nfiles, frame = [], sys._getframe()\n"
        "while frame:\n    files.append(frame.f_code.co_filename)\n    frame = frame.f_back\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import looks_up_the_stack

    assert signals.IMPORTING in looks_up_the_stack.files


@pytest.mark.parametrize(
    "before, taken", [(signal.SIG_DFL, True), (signal.default_int_handler, True), (signal.SIG_IGN, False)]
)
def test_an_ignored_interrupt_stays_ignored(before, taken):
    signal.signal(signal.SIGINT, before)
    signals.listen()
    assert (signal.getsignal(signal.SIGINT) is signals.interrupt) == taken


def test_sigterm_is_an_exception_with_the_exit_code_of_a_shell():
    signals.listen()
    with pytest.raises(signals.Terminated) as ended:
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143


def test_a_playing_stream_is_asked_once_and_ended_by_the_second_signal():
    before = signal.getsignal(signal.SIGINT)  # ignored in a background job
    with signals.Signals() as caught:
        with pytest.raises(KeyboardInterrupt):  # while it loads
            os.kill(os.getpid(), signal.SIGTERM)
        caught.playing = True
        os.kill(os.getpid(), signal.SIGINT)
        assert caught.stopped and caught.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
