"""NAM files as they are played: compiled, against the float64 reference and against NAM's own player."""

import numpy as np
import pytest

from rtfx.api import Model
from rtfx.model.load import load
from rtfx.model.reference import evaluate

from .nam_files import RATE, by_feature, mixture
from .nets import write
from .test_nam_shared import FRAMES, OLD, identity, manifest

FILES = by_feature() | {f"mixture-{seed}": mixture(seed) for seed in range(6)}
FLOOR = 3e-6  # -110 dB of the peak
FLOAT32_FACTOR = 4  # other orders of summation than NumPy's
PLAYER = 1e-5  # of the larger of full scale and the peak


@pytest.mark.parametrize("name", FILES)
def test_generated_files_compiled(tmp_path, name):
    spec = load(write(tmp_path, FILES[name], "net.nam"))
    for model in [spec, *(size for _, size in spec.sizes[:-1])]:
        x = np.random.default_rng(1).normal(0, 0.4, (model.inputs, 400)).astype(np.float32)
        exact, plain = evaluate(model, x.astype(np.float64)), evaluate(model, x, dtype=np.float32)
        y = np.atleast_2d(Model(model)(x if model.inputs > 1 else x[0], RATE, bare=True))
        bound = max(FLOOR * np.abs(exact).max(), FLOAT32_FACTOR * np.abs(plain - exact).max())
        assert np.abs(y - exact).max() <= bound


@pytest.mark.parametrize("row", manifest("nam_core_golden"), ids=identity)
def test_what_the_player_rendered(shared, row):
    content = (shared / "reference" / row["file"]).read_bytes()
    x, y = np.frombuffer(content[4:], "<f4").reshape(2, -1)[:, :FRAMES]
    spec = load(shared / row["model"], compat=OLD if "REQUIRES" in row["note"] else None)
    error = np.abs(Model(spec)(x, 48000, bare=True) - y.astype(np.float64)).max()
    bound = PLAYER * max(1.0, np.abs(y).max())
    if spec.recurrent:  # one of four feeds rounding back: the player is 7.5e-6 from float64, NumPy's float32 7.4e-6
        exact, plain = evaluate(spec, x.astype(np.float64)), evaluate(spec, x, dtype=np.float32)
        bound = max(bound, FLOAT32_FACTOR * np.abs(plain - exact).max())
    assert error <= bound
