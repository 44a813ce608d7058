"""Makes the golden files: ``python -m tests.model.goldens.make_goldens`` writes small models and what they answer.

The models have random weights from the generators of these tests. The answers are those of evaluations that read the
files by themselves (tests/reference*.py) and share no code with rtfx. Exports of PyTorch, ONNX and Keras, which their
own frameworks answered, are in the folder ``exports``.
"""

import json
from pathlib import Path

import numpy as np

from ...reference import evaluate_file
from ...reference_more import evaluate_more, torch_convolution, torch_stack
from ...reference_nam import evaluate_nam
from ..guitar_nets import agam_files, filled, rnn_shapes, smartamppro_files, wavenet_va_files
from ..nam_files import by_feature
from ..nets import small_nets
from ..test_nam_refused import legacy
from ..test_pt2 import safetensors

FOLDER = Path(__file__).parent
FRAMES = 100
RATE = 48000.0  # Hz, of nets that have the sample period as an input
KNOB = 0.8
NAM = (
    "linear", "lstm", "convnet-batchnorm", "a1", "a2", "slimmable-films", "head1x1_post_film-gated", "container",
    "condition-lstm",
)  # fmt: skip
KNOBS = {
    "agam-simple-two-knobs.json": ("drive", "tone"),
    "agam-legacy.json": ("drive",),
    "aidax-knobs.aidax": ("param1", "param2"),
    "rtneural-klon.json": ("gain",),
    "rtneural-two-input-gru.json": ("drive",),
    "wavenetva-conditioned.json": ("drive",),
}
ARCH = {
    "sample_rate": 48000,
    "layers": [
        {"type": "conv1d", "prefix": "conv.", "dilation": 2},
        {"type": "activation", "kind": "tanh"},
        {"type": "gru", "prefix": "rec."},
        {"type": "linear", "prefix": "lin."},
    ],
}


def audio(channels=1):
    """The input of every golden, (channels, frames) float64."""
    return np.random.default_rng(1).normal(0, 0.3, (channels, FRAMES))


def written(name, data):
    path = FOLDER / name
    path.write_text(json.dumps(data) + "\n")
    return path


def state_answer(state, x):
    """What the net that `ARCH` describes computes, from zeros, over frames ``(frames, features)``."""
    tensors = {name: np.array(value, np.float64) for name, value in state.items()}
    y = np.tanh(torch_convolution(x, tensors["conv.weight"], tensors["conv.bias"], 2))
    y = torch_stack(y, tensors, "rec.", "GRU", 1)
    return y @ tensors["lin.weight"].T + tensors["lin.bias"]


def main():
    x, answers = audio(), {}
    files = {f"agam-{name}.json": agam_files()[name] for name in ("simple-LSTM", "simple-two-knobs", "legacy", "gated")}
    files |= {f"wavenetva-{name}.json": wavenet_va_files()[name] for name in ("softgated", "conditioned")}
    files |= {f"smartamppro-{name}.json": smartamppro_files()[name] for name in ("uneven-padding", "five-steps")}
    for name, data in files.items():
        knobs = dict.fromkeys(KNOBS.get(name, ()), KNOB)
        answers[name] = evaluate_more(written(name, data), x[0], knobs).reshape(1, -1)
    nets = small_nets()
    files = {
        f"rtneural-{name}.json": nets[name] for name in ("conv1d-groups", "conv2d", "two-input-gru", "prelu", "klon")
    }
    files |= {"aidax.aidax": nets["aidax"], "aidax-knobs.aidax": nets["aidax-knobs"]}
    dense = {"op": "dense", "weight": [[0.5], [-0.25]], "bias": [0.125, 0.0]}
    nodes = [{"op": "input"}, dense | {"sources": [0]}, {"op": "activation", "sources": [1], "kind": "softsign"}]
    nodes += [{"op": "conv1d", "sources": [2], "weight": [[[1, 0.5], [0.25, -1]]], "bias": [0.0625], "dilation": 3}]
    files["rtfx.json"] = {"format": "rtfx", "version": 1, "sample_rate": 48000, "nodes": nodes}
    for name, data in files.items():
        knobs = dict.fromkeys(KNOBS.get(name, ()), KNOB)
        inputs = 7 if name == "rtneural-conv2d.json" else 1
        answers[name] = evaluate_file(written(name, data), audio(inputs), knobs, RATE)
    for feature in NAM:
        answers[f"nam-{feature}.nam"] = evaluate_nam(written(f"nam-{feature}.nam", by_feature()[feature]), x)
    (FOLDER / "nam-0.4").mkdir(exist_ok=True)
    legacy(FOLDER / "nam-0.4", by_feature()["lstm"])
    answers["nam-0.4"] = answers["nam-lstm.nam"]
    rng = np.random.default_rng(8)
    shapes = {"conv.weight": (2, 1, 3), "conv.bias": (2,), **rnn_shapes("rec.", "GRU", 2, 3)}
    state = filled(rng, shapes | {"lin.weight": (1, 3), "lin.bias": (1,)})
    exact = {name: np.asarray(value, np.float32) for name, value in state.items()}
    for stem in ("state-dict", "tensors"):
        written(f"{stem}.arch.json", ARCH)
    written("state-dict.json", {name: value.astype(float).tolist() for name, value in exact.items()})
    (FOLDER / "tensors.safetensors").write_bytes(safetensors(exact))
    for name in ("state-dict.json", "tensors.safetensors"):
        answers[name] = state_answer(exact, x.T).T
    np.savez(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()
