"""Excludes the tests that do not apply to this kind of processor."""

import platform

# These lower the instruction set of an x86-64 process; other processors have no lesser one to lower it to.
collect_ignore = [] if platform.machine() in ("x86_64", "AMD64") else ["test_processors.py"]
