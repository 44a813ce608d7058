"""Mutated NAM files: loading any of them gives a spec that plays or an RtfxError of one line."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtfx.errors import RtfxError
from rtfx.model.load import load

from .nam_files import by_feature
from .test_fuzz import FUZZ, loads_or_refuses, mutate
from .test_nam_refused import legacy

FILES = by_feature()


@pytest.mark.slow
@FUZZ
@given(data=st.data())
def test_mutated_generated_files(tmp_path, data):
    net = FILES[data.draw(st.sampled_from(sorted(FILES)))]
    for _ in range(data.draw(st.integers(1, 3))):
        net = mutate(net, data.draw)
    path = tmp_path / "fuzz.nam"
    path.write_text(json.dumps(net))
    loads_or_refuses(path)


@pytest.mark.parametrize("seed", range(100))
def test_damaged_weights_beside_a_config(tmp_path, seed):
    config, rng = legacy(tmp_path, FILES["linear"]), np.random.default_rng(seed)
    content = bytearray((tmp_path / "weights.npy").read_bytes())
    for place in rng.integers(0, len(content), 3):
        content[place] = rng.integers(256)
    (tmp_path / "weights.npy").write_bytes(content[: rng.integers(len(content) // 2, len(content) + 1)])
    try:
        load(config)
    except RtfxError as error:
        assert "\n" not in str(error)
