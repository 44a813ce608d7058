"""The terminal of a session: keys, page, stray lines and guard, taken together and given back in reverse."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from .keyboard import Keyboard
from .paint import Painter
from .restore_terminal import Guard, modes
from .screen import LEAVE, Screen
from .stderr_lines import Stray


class Terminal:
    """Keyboard and page for as long as the ``with`` block lasts; Ctrl-Z lends both back."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.painter = Painter()  # asks standard error what it can, before it is caught
        self.stray = Stray()
        self.keyboard = Keyboard(on_suspend=self.screen.leave, on_resume=self.screen.enter)
        self._stack = ExitStack()

    def __enter__(self) -> Terminal:
        with ExitStack() as stack:
            before = modes(sys.stdin.fileno())
            stack.callback(self.screen.close)
            stack.enter_context(self.keyboard)
            self.guard = Guard(sys.stderr.fileno(), LEAVE, before)
            stack.callback(self.guard.dismiss)
            stack.callback(self.stray.release)
            self.stray.catch()
            stack.callback(self.screen.leave)
            self.screen.enter()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
