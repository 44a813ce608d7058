"""What is shipped in models/: nets, cabinets and the riff, and the circuit that the pedal was trained on."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtfx.model.load import load
from rtfx.model.random.nets import random_spec
from rtfx.model.reference import evaluate
from rtfx.model.write.save import convert
from rtfx.units import gain_from_db

MODELS = Path(__file__).parents[1] / "models"
CABINETS = ("open-2x12.wav", "closed-4x12.wav")
TRAINED = {
    "klon.json": ("pedal", "gain"),
    "screamer.json": ("pedal", "drive"),
    "rodent.json": ("pedal", "gain"),
    "amp.json": ("amp", "drive"),
    "combo.json": ("amp", "volume"),
}
GRU_OPS = ["input", "input", "mul", "concat", "gru", "dense"]
KLON_OPS = ["input", "input", "dense", "activation", "dense", "concat", "mul", "concat", "gru", "dense"]
RATE = 48000


@pytest.fixture(scope="module")
def riff():
    audio, rate = soundfile.read(MODELS / "riff.flac")
    assert rate == RATE
    return audio


@pytest.fixture(scope="module")
def played(riff):
    """A second of chords and mutes through each net, its knob at the default."""
    specs = {name: load(MODELS / name) for name in (*TRAINED, "stack.json", "ronn-42.json")}
    return {name: evaluate(spec, riff[:RATE])[0] * gain_from_db(spec.level_db) for name, spec in specs.items()}


@pytest.fixture(scope="module")
def circuits():
    """The modules that simulate circuits, which are scripts beside the models and no part of the package."""
    folder = str(MODELS / "make")
    sys.path.insert(0, folder)
    try:
        import amp
        import klon_circuit
        import readme

        yield klon_circuit, amp, readme
    finally:
        sys.path.remove(folder)


def esr(target, found):
    return np.sum((target - found) ** 2) / np.sum(target**2)


def pitch(x):
    """Return the frequency of the strongest period in Hz and its share of the power, between 60 and 1200 Hz."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(x.size), 4 * x.size)) ** 2
    correlation = np.fft.irfft(spectrum)
    lags = np.arange(RATE // 1200, RATE // 60)
    best = lags[correlation[lags].argmax()]
    return RATE / best, correlation[best] / correlation[0]


def test_riff_is_fifteen_seconds_of_guitar(riff):
    assert riff.shape == (15 * RATE,)
    assert np.abs(riff).max() == pytest.approx(10 ** (-6 / 20), abs=1e-3)
    power, hertz = np.abs(np.fft.rfft(riff)) ** 2, np.fft.rfftfreq(riff.size, 1 / RATE)
    assert 0.65 < power[hertz < 500].sum() / power.sum() < 0.9  # as recorded guitars have it
    assert 0.005 < power[hertz > 2000].sum() / power.sum() < 0.04
    assert abs(riff.mean()) < 1e-4
    beat = 60 / 112 * RATE
    for at, hertz in ((18.1, 246.94 * 2), (19.2, 246.94 * 2 ** (14 / 12)), (22.3, 196.0 * 2 ** (9 / 12))):
        found, share = pitch(riff[int(at * beat) :][:8192])  # a note, the same bent by a tone, another
        assert found == pytest.approx(hertz, rel=0.015) and share > 0.8


@pytest.mark.parametrize("name", CABINETS)
def test_cabinet_is_a_loudspeaker_without_delay(name, riff):
    response, rate = soundfile.read(MODELS / name)
    assert rate == RATE and response.ndim == 1 and response.size <= 4096
    assert np.abs(response).argmax() < 10 and np.sum(response[:48] ** 2) > 0.8 * np.sum(response**2)
    db = 20 * np.log10(np.abs(np.fft.rfft(response, 1 << 16)) + 1e-9)
    f = np.fft.rfftfreq(1 << 16, 1 / RATE)
    level = lambda low, high: db[(f > low) & (f < high)].mean()  # noqa: E731
    middle = level(200, 2000)
    assert level(2000, 4000) > middle  # presence
    assert level(6000, 7000) < middle - 5 and level(9000, 11000) < middle - 20 and level(30, 50) < middle - 8
    loudness = np.std(np.convolve(riff[: 3 * RATE], response)) / np.std(riff[: 3 * RATE])
    assert 0.7 < loudness < 1.4


@pytest.mark.parametrize("name", TRAINED)
def test_trained_nets_are_what_they_are_called(name):
    kind, knob = TRAINED[name]
    spec, data = load(MODELS / name), json.loads((MODELS / name).read_text())
    assert (spec.family, spec.kind, spec.sample_rate) == ("rtfx", kind, RATE)
    assert [(k.name, k.minimum, k.maximum, k.default) for k in spec.knobs] == [(knob, 0.0, 1.0, 0.5)]
    ops = [node["op"] for node in data["nodes"]]
    assert ops == (KLON_OPS if name == "klon.json" else GRU_OPS)
    assert (spec.inputs, spec.outputs, spec.nodes[ops.index("gru")].width) == (1, 1, 16)
    assert (MODELS / name).stat().st_size < 50_000


def test_the_stack_is_a_net_that_other_players_know(tmp_path):
    """Convolutions only, of NAM's feather; it can be written as a NAM file that says the same."""
    spec = load(MODELS / "stack.json")
    assert (spec.kind, spec.sample_rate, spec.knobs, spec.receptive_field) == ("amp", RATE, (), 4093)
    assert not spec.recurrent and spec.metadata["gain"] == 0.7
    convert(spec, tmp_path / "stack.nam")
    x = 0.1 * np.random.default_rng(0).standard_normal(5000)
    found = evaluate(load(tmp_path / "stack.nam"), x)
    assert np.abs(found - evaluate(spec, x)).max() < 1e-6


def test_ronn_42_is_the_random_net_of_that_seed():
    spec = load(MODELS / "ronn-42.json")
    fresh = random_spec("tcn?seed=42&layers=6&channels=8&kernel=3&dilation=2&activation=tanh")
    noise = 0.1 * np.random.default_rng(0).standard_normal(1000)
    np.testing.assert_array_equal(evaluate(spec, noise), evaluate(fresh, noise))
    assert spec.receptive_field == 127


@pytest.mark.slow
def test_nets_sound_and_differ(played, riff):
    for name, y in played.items():
        assert np.abs(y).max() <= 1.0, name
        assert np.std(y - y.mean()) > 0.02, name
        dry = riff[:RATE]
        assert esr(y - y.mean(), dry * (dry @ y) / (dry @ dry)) > 0.02, f"{name} is only a gain"
    klon, amp = played["klon.json"], played["amp.json"]
    assert esr(amp, klon * (klon @ amp) / (klon @ klon)) > 0.1


def test_what_the_readme_says_is_what_a_model_does(circuits):
    """One figure of each kind, measured again: the error on held-out guitar, and the aliased energy."""
    readme = circuits[2]
    lines = (MODELS / "README.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith("| `screamer.json` drive"))
    figures = [float(cell) for cell in row.split("|")[2:-1]]
    circuit = readme.teachers()["screamer"][0]
    found = readme.held_out.curve(MODELS / "screamer.json", circuit, "drive", (0.5,))
    assert 100 * found[0.5] == pytest.approx(figures[readme.POSITIONS.index(0.5)], abs=0.011)
    assert readme.aliasing(readme.played("screamer", readme.sine())) == pytest.approx(figures[5], abs=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("name, bound", [("klon.json", 0.002), ("amp.json", 0.014), ("stack.json", 0.15)])
def test_trained_nets_follow_their_circuits(name, bound, played, circuits, riff):
    """On the riff, which neither was trained on; the bound is about twice the error measured (models/README.md)."""
    klon_circuit, amp, _ = circuits
    volts = load(MODELS / "klon.json").metadata["volts_per_unit"]
    target = {"klon.json": klon_circuit.klon(riff[:RATE], 0.5) / volts, "amp.json": amp.amp(riff[:RATE], 0.5)}
    target["stack.json"] = amp.stack(riff[:RATE], 0.7)
    assert esr(target[name][RATE // 4 :], played[name][RATE // 4 :]) < bound


def admittances(klon_circuit, gain, hertz):
    """Return the Klon stage's small-signal gain at one frequency: complex admittances, written from the schematic."""
    s = 2j * np.pi * hertz
    top, bottom = klon_circuit.pot(gain)
    nodes = ("a", "pot", "bass", "c9", "diodes", "x", "wiper", "b")
    system, known = np.zeros((8, 8), complex), np.zeros(8, complex)

    def join(start, stop, value):
        i = nodes.index(start)
        system[i, i] += value
        if stop in nodes:
            j = nodes.index(stop)
            system[j, j] += value
            system[i, j] -= value
            system[j, i] -= value
        elif stop == "in":
            known[i] += value

    clean = 1 / (22e3 + 47e3 + 1 / (s * 2.2e-9))
    join("a", "in", s * 0.1e-6)
    join("a", "pot", 1 / 10e3 + s * 68e-9)
    join("pot", "bias", 1 / top)
    join("a", "bass", 1 / 1.5e3)
    join("bass", "bias", s * 1e-6 + 1 / 15e3)
    join("b", "in", 1 / 5.1e3 + s * 68e-9)
    join("b", "bias", 1 / 1.5e3 + 1 / (1e3 + 1 / (s * 390e-9)))
    join("b", "wiper", 1 / top)
    join("wiper", "bias", 1 / bottom + 1 / 27e3 + 1 / (12e3 + 1 / (s * 27e-9)) + clean)
    join("x", "bias", 1 / 47e3)
    join("diodes", "x", s * 1e-6)
    join("diodes", "bias", 2 * 15e-6 / 0.02585)
    join("c9", "diodes", 1 / (1e3 + 1 / (s * 1e-6)))
    row = nodes.index("c9")  # the op-amp drives this node at any current
    system[row], known[row] = 0, 0
    system[row, row] = 1
    system[row, nodes.index("a")] = -1 - 1 / (1 / 422e3 + s * 390e-12) / (bottom + 2e3 + 1 / (1 / 15e3 + s * 82e-9))
    v = dict(zip(nodes, np.linalg.solve(system, known), strict=True))
    current = v["bass"] / 15e3 + v["x"] / 47e3 + v["wiper"] * clean
    return current * 392e3 / (1 + s * 392e3 * 820e-12)


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
def test_klon_circuit_at_low_level_is_its_linear_circuit(gain, circuits):
    klon_circuit = circuits[0]
    rate = 4 * RATE
    impulse = np.zeros(rate)  # a second: bins are 1 Hz apart
    impulse[0] = 1e-7
    spectrum = np.fft.rfft(klon_circuit.volts(impulse, gain, rate)) / 1e-7
    for hertz in (
        50,
        100,
        400,
        1000,
        3000,
    ):  # the trapezoidal rule bends frequencies by (pi f / rate)^2 / 3: 0.1 % at 3 kHz
        expected = admittances(klon_circuit, gain, hertz)
        assert abs(spectrum[hertz] - expected) < 3e-3 * abs(expected)


def test_klon_circuit_converges_rests_and_stays_on_its_rails(circuits):
    klon_circuit = circuits[0]

    def tone(oversampling):
        n = np.arange(4800 * oversampling) / (RATE * oversampling)
        x = 0.5 * np.sin(2 * np.pi * 220 * n) * np.minimum(1, 100 * n)
        return klon_circuit.volts(x, 1.0, RATE * oversampling)[::oversampling]

    exact = tone(32)
    errors = [esr(exact, tone(oversampling)) for oversampling in (1, 2, 4)]
    assert errors[2] < 1e-8 and errors[0] > 8 * errors[1] > 64 * errors[2]  # second order: 16 a halving
    assert np.all(klon_circuit.volts(np.zeros(1000), 1.0, RATE) == 0)
    loud = klon_circuit.volts(100 * np.sign(np.sin(np.arange(RATE) / 30)), 0.0, RATE)
    low, high = klon_circuit.SUM_RAILS
    assert np.isfinite(loud).all() and -high <= loud.min() and loud.max() <= -low


def test_diode_voltage_solves_its_equation(circuits):
    klon_circuit = circuits[0]
    for source in (-20.0, -0.3, -1e-6, 0.0, 1e-3, 0.1, 5.0):
        v = klon_circuit.diode_voltage(source, 900.0)
        current = 2 * klon_circuit.SATURATION * np.sinh(v / klon_circuit.THERMAL)
        assert v + 900.0 * current == pytest.approx(source, rel=1e-9, abs=1e-15)


def test_amp_circuit_is_clean_below_and_crunches_above(circuits):
    amplifier = circuits[1].amp
    n = np.arange(RATE // 2)
    distortion = []
    for drive in (0.0, 0.5, 1.0):
        y = amplifier(0.15 * np.sin(2 * np.pi * 200 * n / RATE), drive)[RATE // 4 :]
        spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size)))
        harmonics = spectrum[50 * np.arange(1, 12)]  # bins are 4 Hz apart
        distortion.append(np.linalg.norm(harmonics[1:]) / harmonics[0])
    assert distortion[0] < 0.05 < 2 * distortion[0] < distortion[1] < distortion[2]
