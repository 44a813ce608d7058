"""An interrupt ends a command at once, but for one that comes during an import: it comes again, a moment later."""

import signal
import sys
import threading
import types

import pytest

from rtfx.cli import interrupts


def frames(*files):
    """Return a stack of frames, innermost first, as far as they are looked at."""
    frame = None
    for file in reversed(files):
        frame = types.SimpleNamespace(f_code=types.SimpleNamespace(co_filename=file), f_back=frame)
    return frame


def test_an_interrupt_is_raised_at_once(monkeypatch):
    monkeypatch.setattr(interrupts.os, "kill", lambda *_: pytest.fail("it was put off"))
    for frame in (None, frames("rtfx/cli/main.py", "rtfx/__main__.py"), sys._getframe()):
        assert not interrupts.postponed(signal.SIGINT, frame)
        with pytest.raises(KeyboardInterrupt):
            interrupts.interrupt(signal.SIGINT, frame)


def test_during_an_import_it_comes_again_later(monkeypatch):
    sent, came = [], threading.Event()
    monkeypatch.setattr(interrupts.os, "kill", lambda *words: (sent.append(words), came.set()))
    inside = frames("numpy/core.py", interrupts.IMPORTING, "rtfx/__main__.py")
    interrupts.interrupt(signal.SIGINT, inside)
    assert not sent, "not from within the import"
    assert came.wait(60.0) and sent == [(interrupts.os.getpid(), signal.SIGINT)]


def test_the_name_of_the_frames_that_import(tmp_path, monkeypatch):
    (tmp_path / "looks_up_the_stack.py").write_text(
        "import sys\nfiles, frame = [], sys._getframe()\n"
        "while frame:\n    files.append(frame.f_code.co_filename)\n    frame = frame.f_back\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import looks_up_the_stack

    assert interrupts.IMPORTING in looks_up_the_stack.files


@pytest.mark.parametrize(
    "before, taken", [(signal.SIG_DFL, True), (signal.default_int_handler, True), (signal.SIG_IGN, False)]
)
def test_an_ignored_interrupt_stays_ignored(before, taken):
    old = signal.signal(signal.SIGINT, before)
    try:
        interrupts.listen()
        assert (signal.getsignal(signal.SIGINT) is interrupts.interrupt) == taken
    finally:
        signal.signal(signal.SIGINT, old)
