"""These tests need PyTorch: without it they are not collected. What they rely on is tested on stored exports beside."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
