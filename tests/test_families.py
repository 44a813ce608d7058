"""A small file of every family, made here: compiled in blocks of any size, against the oracle that reads the file.

These hold where the shared files are absent.
"""

import numpy as np
import pytest

from rtfx import api
from rtfx.model.load import load
from rtfx.model.rtfx_json import save

from .model.guitar_nets import agam_files, smartamppro_files, wavenet_va_files
from .model.nam_files import by_feature
from .model.nets import small_nets, write
from .reference import evaluate_file
from .reference_more import evaluate_more
from .reference_nam import evaluate_nam
from .test_expected import in_blocks

KERAS, AGAM, VA, PRO, NAM = small_nets(), agam_files(), wavenet_va_files(), smartamppro_files(), by_feature()
# the file's content, the oracle for its family, the family that it is read as
FILES = {
    "RTNeural": (KERAS["stacked"], evaluate_file, "rtneural"),
    "RTNeural in two dimensions": (KERAS["conv2d-same"], evaluate_file, "rtneural"),
    "KlonCentaur": (KERAS["klon"], evaluate_file, "klon"),
    "AIDA-X": (KERAS["aidax"], evaluate_file, "aidax"),
    "AIDA-X with knobs": (KERAS["aidax-knobs"], evaluate_file, "aidax"),
    "Proteus": (AGAM["simple-two-knobs"], evaluate_more, "agam"),
    "GRU": (AGAM["deep-GRU"], evaluate_more, "agam"),
    "RecNet": (AGAM["recnet-skip"], evaluate_more, "agam"),
    "GatedConvNet": (AGAM["gated"], evaluate_more, "agam"),
    "WaveNetVA": (VA["gated"], evaluate_more, "wavenetva"),
    "PedalNetRT": (VA["strings"], evaluate_more, "wavenetva"),
    "SmartGuitarPedal": (VA["conditioned"], evaluate_more, "wavenetva"),
    "SmartAmpPro": (PRO["usual"], evaluate_more, "smartamppro"),
    "NAM A1": (NAM["a1"], evaluate_nam, "nam"),
    "NAM A2": (NAM["a2"], evaluate_nam, "nam"),
    "NAM LSTM": (NAM["lstm-deep"], evaluate_nam, "nam"),
    "NAM ConvNet": (NAM["convnet-batchnorm"], evaluate_nam, "nam"),
    "NAM Linear": (NAM["linear"], evaluate_nam, "nam"),
    "NAM container": (NAM["container"], evaluate_nam, "nam"),
}
RATE, FRAMES = 48000.0, 700
KNOB = 0.8
FLOAT32 = 1e-5  # of the peak
ONE_BY_ONE = 300


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["own", "rtfx"])
def test_a_small_file_in_blocks(tmp_path, name, form):
    content, oracle, family = FILES[name]
    path = write(tmp_path, content)
    spec = load(path)
    assert spec.family == family
    if form == "rtfx":  # saved in the host's own format and read again; of several sizes the full one
        spec = load(save(spec, tmp_path / "own.json"))
    knobs = {knob.name: KNOB for knob in spec.knobs if knob.name != "size"}
    x = np.random.default_rng(3).normal(0, 0.3, (spec.inputs, FRAMES)).astype(np.float32)
    arguments = {"knobs": knobs} if knobs else {}
    if oracle is evaluate_file:
        arguments["sample_rate"] = RATE
    expected = np.atleast_2d(oracle(path, x if spec.inputs > 1 or oracle is not evaluate_more else x[0], **arguments))

    plan = api.Rig([api.Model(spec, **knobs)]).plan(spec.sample_rate or RATE, spec.inputs, bare=True)
    whole = in_blocks(plan, False, x, [64])
    assert np.abs(whole - expected).max() <= FLOAT32 * np.abs(expected).max()
    assert np.array_equal(in_blocks(plan, False, x, [7, 300, 1, 65]), whole)
    assert np.array_equal(in_blocks(plan, False, x[:, :ONE_BY_ONE], [1]), whole[:, :ONE_BY_ONE])
