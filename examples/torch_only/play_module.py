"""Play a PyTorch module, then give it other weights while it plays: python play_module.py [DEVICE]"""

import sys

import torch

import rtfx

torch.manual_seed(0)
device = sys.argv[1] if len(sys.argv) > 1 else None


class Pedal(torch.nn.Module):
    """An LSTM and a dense layer over (batch, frames, 1), the input added."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(1, 8, batch_first=True)
        self.dense = torch.nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dense(self.lstm(x)[0])


pedal = Pedal()
model = rtfx.from_torch(pedal, torch.zeros(1, 67, 1), sample_rate=48000)
x = torch.rand(1, 4800, 1) - 0.5
with torch.no_grad():
    error = (torch.as_tensor(model(x[0, :, 0], 48000, bare=True, cold=True)) - pedal(x)[0, :, 0]).abs().max()
print(f"rtfx and PyTorch differ by {error:.1g} at most")

with rtfx.Rig([model]).play(device=device, seconds=1.0) as stream:
    with torch.no_grad():
        pedal.dense.weight *= 2.0
    model.update(pedal)  # nothing is compiled, 20 ms of crossfade
    stream.wait()
print(f"{stream.stats.blocks} blocks played")
