"""The example that plays a PyTorch module runs as it stands."""

import re

import pytest

from ..test_examples import run


@pytest.mark.slow
def test_a_module_is_played_and_changed(tmp_path):
    said = run("torch_only/play_module.py", "null", cwd=tmp_path)
    assert re.search(r"differ by \de-0[5-9] at most\n750 blocks played\n$", said), said
