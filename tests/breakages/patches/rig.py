"""Ways to break rtfx in rtfx/rig."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "a check that stops at the first mistake of a chain",
        "        self.mistakes.append((marked.line, f",
        "        raise PresetError((marked.line, f",
        "tests/test_check.py::test_every_mistake_is_named_with_its_line",
        same_code=True,
    ),
]
