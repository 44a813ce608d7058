"""Libraries that are no part of a test's installation are tested where they are."""

import importlib.util

from benchmarks.peers import KINDS

INSTALLED = [name for name, kind in KINDS.items() if all(importlib.util.find_spec(each) for each in kind.packages)]
collect_ignore = [] if INSTALLED else ["test_libraries.py"]
