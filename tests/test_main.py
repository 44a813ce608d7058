"""``python -m rtfx``: an interrupt before the command has begun, and after it."""

import signal

import pytest

from rtfx import __main__ as module


@pytest.mark.parametrize(
    "before, then", [(signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)]
)
def test_an_interrupt_while_the_command_is_imported_ends_it_without_a_word(monkeypatch, before, then):
    """What was ignored, as in a background job, stays ignored."""
    seen = []
    monkeypatch.setattr("rtfx.cli.main.main", lambda: seen.append(signal.getsignal(signal.SIGINT)))
    kept = signal.signal(signal.SIGINT, before)
    try:
        module.main()
    finally:
        signal.signal(signal.SIGINT, kept)
    assert seen == [then]
