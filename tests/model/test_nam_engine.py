"""NAM files as they are played: compiled, against the float64 reference."""

import numpy as np
import pytest

from rtfx.api import Model
from rtfx.model.load import load
from rtfx.model.reference import evaluate

from ..sampled import sampled
from .nam_files import RATE, by_feature, mixture
from .nets import write

FILES = by_feature() | {f"mixture-{seed}": mixture(seed) for seed in range(6)}
FLOOR = 3e-6  # -110 dB of the peak
FLOAT32_FACTOR = 4  # other orders of summation than NumPy's


@pytest.mark.parametrize("name", sampled(FILES, 6))
def test_generated_files_compiled(tmp_path, name):
    spec = load(write(tmp_path, FILES[name], "net.nam"))
    for model in [spec, *(size for _, size in spec.sizes[:-1])]:
        x = np.random.default_rng(1).normal(0, 0.4, (model.inputs, 400)).astype(np.float32)
        exact, plain = evaluate(model, x.astype(np.float64)), evaluate(model, x, dtype=np.float32)
        y = np.atleast_2d(Model(model)(x if model.inputs > 1 else x[0], RATE, bare=True))
        bound = max(FLOOR * np.abs(exact).max(), FLOAT32_FACTOR * np.abs(plain - exact).max())
        assert np.abs(y - exact).max() <= bound
