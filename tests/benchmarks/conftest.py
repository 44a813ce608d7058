"""Tests of optional libraries are collected only where the library is installed."""

import importlib.util

from benchmarks.peers import KINDS

INSTALLED = [name for name, kind in KINDS.items() if all(importlib.util.find_spec(each) for each in kind.packages)]
collect_ignore = [] if INSTALLED else ["test_libraries.py"]
