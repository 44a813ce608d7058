"""Small PyTorch modules for every layer and style that `from_torch` supports, by name, with example inputs."""

import torch
import torch.nn as nn
import torch.nn.functional as F

FRAMES = 301
torch.set_num_threads(1)  # more are slower on nets so small
WEIGHT_NORM = torch.nn.utils.parametrizations.weight_norm


class Causal(nn.Module):
    """A convolution behind its own padding."""

    def __init__(self, inputs, outputs, taps, dilation, **keys):
        super().__init__()
        self.padding = (taps - 1) * dilation
        self.conv = nn.Conv1d(inputs, outputs, taps, dilation=dilation, **keys)

    def forward(self, x):
        return self.conv(F.pad(x, (self.padding, 0)))


class MicroTcn(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = Causal(1, 4, 3, 1), Causal(4, 4, 3, 2, groups=2)
        self.norm, self.relu = nn.BatchNorm1d(4), nn.PReLU(4)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self.residual, self.out = nn.Conv1d(4, 4, 1, bias=False), nn.Conv1d(4, 1, 1)

    def forward(self, x):
        y = torch.tanh(self.first(x))
        return torch.tanh(self.out(self.relu(self.norm(self.second(y))) + self.residual(y)))


class Valid(nn.Module):
    """Without padding: residual paths are cropped."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 4, 3, dilation=4), nn.Conv1d(4, 4, 3, dilation=2)
        self.out = nn.Conv1d(4, 1, 1)

    def forward(self, x):
        y = torch.relu(self.first(x))
        z = self.second(y)
        z = z + y[..., -z.shape[-1] :]
        return self.out(z) + x[..., -z.shape[-1] :]


class Capture(nn.Module):
    """The guitar captures' net, the audio added to the output."""

    def __init__(self, unit=nn.LSTM, inputs=1, **keys):
        super().__init__()
        self.rec, self.lin = unit(inputs, 8, batch_first=True, **keys), nn.Linear(8, 1)

    def forward(self, x):
        return self.lin(self.rec(x)[0]) + x[:, :, :1]


class Film(nn.Module):
    """Features scaled and shifted by what a small net makes of two knobs."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = Causal(1, 6, 3, 2), nn.Conv1d(6, 1, 1)
        self.film = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 12))

    def forward(self, x, knobs):
        scale, shift = torch.chunk(self.film(knobs), 2, dim=-1)
        y = self.conv(x) * scale.unsqueeze(-1) + shift.unsqueeze(-1)
        return self.out(F.leaky_relu(y, 0.2))


class Gated(nn.Module):
    """A gated WaveNet: padded on both sides, cropped behind."""

    def __init__(self):
        super().__init__()
        self.enter, self.head = nn.Conv1d(1, 4, 1), nn.Conv1d(12, 1, 1)
        self.convs = nn.ModuleList([nn.Conv1d(4, 8, 3, dilation=2**k, padding=2 * 2**k) for k in range(3)])
        self.mixes = nn.ModuleList([nn.Conv1d(4, 4, 1) for _ in range(3)])

    def forward(self, x):
        x, skips = self.enter(x), []
        for conv, mix in zip(self.convs, self.mixes, strict=True):
            y = conv(x)[..., : x.shape[-1]]
            skips.append(torch.tanh(y[:, :4]) * torch.sigmoid(y[:, 4:]))
            x = x + mix(skips[-1])
        return self.head(torch.cat(skips, 1))


class Strided(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.middle = nn.Conv1d(1, 4, 6, stride=3), nn.Conv1d(4, 4, 2)
        self.up = nn.ConvTranspose1d(4, 1, 6, stride=3)

    def forward(self, x):
        return self.up(torch.tanh(self.middle(torch.tanh(self.down(x)))))


class LooksAhead(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 4, 5, padding="same"), nn.Conv1d(4, 1, 3, padding=1)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x))) + x


class Activations(nn.Module):
    def forward(self, x):
        y = [F.silu(x), F.gelu(x), F.softplus(x), F.elu(x, 0.5), F.selu(x), F.softsign(x), F.hardswish(x)]
        y += [F.hardtanh(x, -0.3, 0.4), torch.sin(3 * x), F.softshrink(x, 0.1), 2 - x / 3, x**2, torch.abs(x)]
        y += [F.relu6(8 * x), torch.clamp(x, -0.2, 0.2), F.rrelu(x)]
        y = torch.cat(y, 1)
        return torch.softmax(y, 1) * y + torch.tensor([0.5])


class WeightNormed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = WEIGHT_NORM(nn.Conv1d(1, 4, 3, dilation=3, padding=6))
        self.out = nn.Conv1d(4, 2, 1)

    def forward(self, x):
        return self.out(F.elu(self.conv(x)[:, :, :-6]))


class Mixed(nn.Module):
    """A convolution, then recurrent layers that want frames first."""

    def __init__(self):
        super().__init__()
        self.rec, self.conv, self.lin = nn.GRU(4, 4, num_layers=2), Causal(1, 4, 2, 1), nn.Linear(4, 1)

    def forward(self, x):
        y, _ = self.rec(self.conv(x).permute(2, 0, 1))
        return self.lin(y).permute(1, 2, 0)


def modules():
    """Return (module, example) by name; without an example it is found."""
    torch.manual_seed(0)
    audio = torch.zeros(1, 1, FRAMES)
    made = {
        "linear": (nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Dropout(0.3), nn.Linear(4, 1)), None),
        "micro-tcn": (MicroTcn(), None),
        "valid": (Valid(), None),
        "lstm": (Capture(), None),
        "gru-stack": (Capture(nn.GRU, num_layers=2), None),
        "rnn": (Capture(nn.RNN, bias=False), None),
        "lstm-knobs": (Capture(nn.LSTM, 3), None),
        "film": (Film(), (audio, torch.zeros(1, 2))),
        "gated": (Gated(), None),
        "strided": (Strided(), None),
        "looks-ahead": (LooksAhead(), None),
        "activations": (Activations(), audio),
        "weight-norm": (WeightNormed(), None),
        "mixed": (Mixed(), None),
    }
    return {name: (module.eval(), example) for name, (module, example) in made.items()}


LAST = ("linear", "lstm", "gru-stack", "rnn", "lstm-knobs")  # features last


def answer(name, module, x, knobs):
    """Return what PyTorch answers in float64, (outputs, frames), to audio (1, frames) and values of the knobs."""
    module = module.double()
    x = torch.tensor(x)[None]
    with torch.no_grad():
        if name in LAST:
            rows = [torch.full_like(x, value) for value in knobs]
            return module(torch.cat([x, *rows], 1).transpose(1, 2)).transpose(1, 2)[0].numpy()
        return (module(x, torch.tensor([knobs], dtype=x.dtype)) if name == "film" else module(x))[0].numpy()
