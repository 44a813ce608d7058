"""Modules against PyTorch itself: the same output, the same mode afterwards, words for what cannot be."""

import numpy as np
import pytest
import torch
import torch.nn as nn

import rtfx
from rtfx import errors
from rtfx.model.load import load
from rtfx.model.read.pt2 import spec_from_torch
from rtfx.model.reference import evaluate

from ...sampled import sampled
from ..test_pt2 import agree
from .modules import answer, modules

MODULES = modules()


@pytest.mark.parametrize("name", sampled(MODULES, 3))
def test_every_module(name):
    module, example = MODULES[name]
    spec = spec_from_torch(module, example, sample_rate=48000)
    frames = 4099 if example is None else 301
    x = np.random.default_rng(1).normal(0, 0.4, (1, frames))
    agree(name, spec, x, answer(name, module, x, [0.3, 0.7][: len(spec.knobs)]))


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(torch.nn.utils.parametrizations.spectral_norm(nn.Conv1d(1, 4, 1)), nn.Tanh(), nn.Conv1d(4, 1, 1)),
        nn.Sequential(nn.Conv1d(1, 4, 1), nn.Tanh(), nn.Conv1d(4, 1, 1)).double(),
    ],
    ids=["spectral-norm", "double"],
)
def test_weights_of_other_kinds(module):
    x = np.random.default_rng(1).normal(0, 0.4, (1, 200))
    found = evaluate(spec_from_torch(module, sample_rate=48000), x, cold=True)
    with torch.no_grad():
        assert np.abs(found - module.eval().double()(torch.tensor(x)[None])[0].numpy()).max() < 1e-14


class Cropped(nn.Module):
    """A net for captures whose output is the last `kept` frames."""

    def __init__(self, kept):
        super().__init__()
        self.rec, self.lin, self.kept = nn.GRU(1, 4, batch_first=True), nn.Linear(4, 1), kept

    def forward(self, x):
        return self.lin(self.rec(x)[0])[:, -self.kept :]


class Widest(nn.Module):
    """Convolutions that take 90 frames away, then recurrent layers wider than the shortest example is long."""

    def __init__(self):
        super().__init__()
        self.conv, self.rec, self.lin = nn.Conv1d(1, 3, 4, dilation=30), nn.LSTM(3, 80), nn.Linear(80, 1)

    def forward(self, x):
        return self.lin(self.rec(self.conv(x).permute(2, 0, 1))[0]).permute(1, 2, 0)


@pytest.fixture
def traced(monkeypatch):
    """The longest axis of every example that PyTorch was given to export."""
    seen, export = [], torch.export.export
    monkeypatch.setattr(torch.export, "export", lambda m, x: seen.append(max(x[0].shape)) or export(m, x))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "example", "frames"),
    [
        (Cropped(10), None, [67]),
        (Cropped(10), torch.zeros(1, 48000, 1), [67]),
        (Cropped(10), torch.zeros(1, 50, 1), [50]),
        (Cropped(100), torch.zeros(1, 301, 1), [67, 301]),
        (Widest(), None, [173]),
        (nn.Conv1d(1, 1, 3), None, [4099]),
    ],
    ids=["own example", "long example", "short example", "named frames", "wide", "not recurrent"],
)
def test_recurrent_layers_are_traced_over_as_few_frames_as_are_enough(module, example, frames, traced):
    """PyTorch traces them frame by frame: 4099 frames took from ten seconds to a minute."""
    spec = spec_from_torch(module, example, sample_rate=48000)
    assert traced == frames
    x = np.random.default_rng(1).normal(0, 0.4, (1, 301))
    found = evaluate(spec, x, cold=True)[0]
    audio = torch.tensor(x[None] if isinstance(module, (nn.Conv1d, Widest)) else x[..., None])
    with torch.no_grad():
        expected = module.double().eval()(audio).flatten().numpy()
    module.float()
    settled = min(100, expected.size)  # a state has processed the frames that a convolution removes
    assert np.abs(found[-settled:] - expected[-settled:]).max() < 1e-6


def test_a_module_is_a_model():
    module = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Dropout(0.5), nn.Tanh(), nn.Conv1d(4, 1, 1))
    module[1].train()
    model = rtfx.from_torch(module, sample_rate=48000, name="mine")
    assert module.training and module[1].training
    x = np.random.default_rng(2).normal(0, 0.3, 500).astype(np.float32)
    y = model(x, 48000, bare=True, cold=True)
    with torch.no_grad():
        expected = module.eval()(torch.tensor(x)[None, None])[0, 0].numpy()
    assert np.abs(y[2:] - expected).max() < 1e-6
    assert (model.spec.name, model.spec.sample_rate) == ("mine", 48000)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Conv1d(1, 4, 3), nn.GroupNorm(2, 4)), "group_norm in 1: is no operation"),
        (nn.Sequential(nn.Conv1d(1, 4, 3), nn.Upsample(scale_factor=2)), "is no operation that rtfx has a layer for"),
        (nn.ConvTranspose1d(1, 1, 4, stride=2), "raises the rate by 2"),
        (nn.Sequential(nn.Conv1d(1, 2, 3, padding=1, padding_mode="reflect")), "pads with something else than zeros"),
        (nn.Sequential(nn.Conv1d(1, 1, 3), nn.Conv2d(1, 1, 3)), "give example="),
    ],
)
def test_what_cannot_be_is_said(module, words):
    with pytest.raises(errors.RtfxError, match=words):
        spec_from_torch(module)


def test_names_of_knobs():
    module, example = MODULES["film"]
    spec = spec_from_torch(module.float(), example, knobs=["bite", "mud"])
    assert [knob.name for knob in spec.knobs] == ["bite", "mud"]
    with pytest.raises(errors.UsageError, match="1 knobs are named: bite; expected 2"):
        spec_from_torch(module, example, knobs=["bite"])
    assert evaluate(spec, np.zeros(10), {"bite": 1.0}).shape == (1, 10)


@pytest.mark.parametrize("name", ["gated", "micro-tcn", "valid", "weight-norm", "activations"])
def test_files_of_an_open_length_whatever_the_example_was(tmp_path, name):
    """The example is shorter than the net is wide; the reader must not mistake features for frames."""
    module = MODULES[name][0].float()
    frames = 20 if name == "valid" else 3
    length = torch.export.Dim("frames", min=frames, max=1 << 20)
    program = torch.export.export(module, (torch.zeros(1, 1, frames),), dynamic_shapes=({2: length},))
    torch.export.save(program, tmp_path / "net.pt2")
    x = np.random.default_rng(1).normal(0, 0.4, (1, 301))
    agree(name, load(tmp_path / "net.pt2"), x, answer(name, module, x, []))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PyTorch's, of its own future
@pytest.mark.parametrize("name", ["elu", "selu", "prelu", "softplus", "leaky_relu", "conv_transpose"])
def test_what_decompositions_leave(tmp_path, name):
    last = {
        "elu": nn.ELU(0.7),
        "selu": nn.SELU(),
        "prelu": nn.PReLU(4),
        "softplus": nn.Softplus(),
        "leaky_relu": nn.LeakyReLU(0.3),
        "conv_transpose": nn.ConvTranspose1d(4, 4, 3),
    }[name]
    module = nn.Sequential(nn.Conv1d(1, 4, 3), last, nn.Conv1d(4, 1, 1)).eval()
    program = torch.export.export(module, (torch.zeros(1, 1, 99),)).run_decompositions()
    torch.export.save(program, tmp_path / "net.pt2")
    x = np.random.default_rng(1).normal(0, 2, (1, 99))
    spec = load(tmp_path / "net.pt2")
    found = evaluate(spec, x, cold=True)[:, spec.metadata["first_frame"] :]
    with torch.no_grad():
        expected = module.double()(torch.tensor(x)[None])[0].numpy()[:, : found.shape[1]]
    error = np.abs(found - expected)[:, 2 * (name == "conv_transpose") :]  # whose first frames had zeros before them
    assert error.max() < 1e-12
