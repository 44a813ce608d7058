"""Tone stack: the passive tone control of a Fender, Marshall or Vox, whose three knobs change each other.

The circuit is that of D. Yeh and J. Smith, "Discretization of the '59 Fender Bassman tone stack" (DAFx-06)::

    in --C1-- top [treble pot] out ... bottom --[bass pot]-- M [mid pot] ground
    in --R4-- A --C2-- bottom,   A --C3-- the wiper of the mid pot

It is solved by nodal analysis. The states are the voltages of the capacitors times the roots of the capacities, so
that the sum of their squares is the stored energy, and their matrix is symmetric: no knob can add energy while it
turns. Per frame:

    state = P state + b x,    y = c state + d x        P = exp(matrix / sample rate): the poles of the circuit

c and d make the magnitude that of the circuit up to 0.46 of the sample rate: a least-squares fit whose phase is free,
found by alternating between fit and phase (R. Gerchberg and W. Saxton). The bilinear transform would be 13 dB off at
20 kHz where the treble is turned down.

The level is set so that with all knobs in the middle the mean power over 80 Hz to 5 kHz does not change.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect

# Ohm and farad: treble, bass and mid pot, slope resistor R4, C1, C2, C3. The Vox, an AC30 with top boost, has a fixed
# resistor in place of the mid pot: that is `mid` 1.
CIRCUITS = {
    "fender": (250e3, 1e6, 25e3, 56e3, 250e-12, 20e-9, 20e-9),
    "marshall": (220e3, 1e6, 22e3, 33e3, 470e-12, 22e-9, 22e-9),
    "vox": (1e6, 1e6, 10e3, 100e3, 50e-12, 22e-9, 22e-9),
}
FENDER = "fender"
PARAMETERS = (
    Parameter("amp", FENDER, kind="structural", choices=tuple(CIRCUITS), summary="whose circuit"),
    Parameter("bass", 0.5, summary="bass pot; it has a logarithmic taper"),
    Parameter("mid", 0.5, summary="mid pot"),
    Parameter("treble", 0.5, summary="treble pot"),
    Parameter("level_db", 0.0, -24.0, 24.0, "dB", summary="gain after it"),
)  # fmt: skip

TAPER = 3.4  # the bass pot's: exp(TAPER (position - 1)), after Yeh and Smith
CONTACT = 1.0  # ohm: the least resistance of a pot's side
FITTED = 64  # frequencies; below 1 / 1000 of the largest gain, errors do not count
HIGHEST_FITTED = 0.46
FITS = 30
LOUDNESS_HZ = (80.0, 5000.0)
TAIL_SECONDS = 0.3  # the lowest pole is at 6 Hz
RUNAWAY = 1e12  # no guitar charges a capacitor this far; a larger value, or NaN, is reset to 0

TONESTACK_STATE = state_dtype(("a", np.float64), ("b", np.float64), ("c", np.float64))


def circuit(amp: str, bass: float, mid: float, treble: float):
    """Return the circuit as (matrix, input, output, direct): state' = matrix state + input x, y = output state + ...

    Parameters
    ----------
    bass, mid, treble : float
        Shares of the pots, 0 to 1, without taper.
    """
    treble_pot, bass_pot, mid_pot, slope, c1, c2, c3 = CIRCUITS[amp]
    ground, source, top, out, bottom, a, m, wiper = range(8)
    resistors = (
        (top, out, (1.0 - treble) * treble_pot),
        (out, bottom, treble * treble_pot),
        (bottom, m, bass * bass_pot),
        (m, wiper, (1.0 - mid) * mid_pot),
        (wiper, ground, mid * mid_pot),
        (source, a, slope),
    )
    capacitors = ((source, top, c1), (a, bottom, c2), (a, wiper, c3))
    nodes, many = 8, 8 + len(capacitors)
    equations, sides = np.zeros((many, many)), np.zeros((many, 1 + len(capacitors)))
    for one, other, ohms in resistors:
        siemens = 1.0 / max(ohms, CONTACT)
        equations[[one, other], [one, other]] += siemens
        equations[[one, other], [other, one]] -= siemens
    for index, (one, other, farads) in enumerate(capacitors):  # voltage sources, their currents are unknowns
        equations[[one, other], nodes + index] = 1.0, -1.0
        equations[nodes + index, [one, other]] = 1.0, -1.0
        sides[nodes + index, 1 + index] = farads**-0.5
    for node in (ground, source):  # held: at 0, and at the input
        equations[node] = 0.0
        equations[node, node] = 1.0
    sides[source, 0] = 1.0
    solved = np.linalg.solve(equations, sides)
    rates = solved[nodes:] / np.sqrt([farads for *_, farads in capacitors])[:, None]
    return rates[:, 1:], rates[:, 0], solved[out, 1:], solved[out, 0]


def response(parts, frequencies) -> np.ndarray:
    """Return the response of a circuit at frequencies in Hz."""
    matrix, enters, leaves, direct = parts
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    s = 2j * math.pi * np.asarray(frequencies)[:, None]
    return ((leaves @ vectors) * (vectors.T @ enters) / (s - values)).sum(axis=1) + direct


@cache
def loss(amp: str) -> float:
    """Return the gain of a circuit, its knobs in the middle: the root of its mean power over octaves."""
    middle = circuit(amp, math.exp(-0.5 * TAPER), 0.5, 0.5)
    return float(np.sqrt((np.abs(response(middle, np.geomspace(*LOUDNESS_HZ, 100))) ** 2).mean()))


def cells(values, sample_rate: float) -> list[float]:
    """Return P - 1 (its six different numbers), b, c and d."""
    bass = math.exp(TAPER * (values["bass"] - 1.0)) if values["bass"] > 0.0 else 0.0
    parts = circuit(values["amp"], bass, values["mid"], values["treble"])
    poles, vectors = np.linalg.eigh(0.5 * (parts[0] + parts[0].T))
    growth = np.expm1(poles / sample_rate)
    enters = vectors @ (growth / poles * (vectors.T @ parts[1]))
    change = (vectors * growth) @ vectors.T
    half = FITTED // 2
    low = np.geomspace(10.0, HIGHEST_FITTED * sample_rate, half)
    frequencies = np.concatenate([low, np.linspace(0.05, HIGHEST_FITTED, half) * sample_rate])
    wanted = np.abs(response(parts, frequencies))
    z = np.exp(2j * math.pi * frequencies / sample_rate)[:, None]
    states = (vectors.T @ enters) * z / (z - 1.0 - growth) @ vectors.T
    columns = np.column_stack([states, np.ones(FITTED)])
    weight = 1.0 / np.maximum(wanted, 1e-3 * wanted.max())
    stacked = np.vstack([columns.real, columns.imag]) * np.tile(weight, 2)[:, None]
    size = np.sqrt((stacked**2).sum(axis=0))
    solver = np.linalg.pinv(stacked / size) / size[:, None]
    goal = response(parts, frequencies)
    for _ in range(FITS):
        weighted = goal * weight
        leaves = solver @ np.concatenate([weighted.real, weighted.imag])
        found = columns @ leaves
        goal = wanted * found / np.maximum(np.abs(found), 1e-30)
    gain = gain_from_db(values["level_db"]) / loss(values["amp"])
    scale = float(np.abs(enters).max())  # states of about the input's size
    return [
        *(float(change[i, j]) for i in range(3) for j in range(i, 3)),
        *(float(number) / scale for number in enters),
        *(float(number) * scale * gain for number in leaves[:3]),
        float(leaves[3]) * gain,
    ]


def process(state, source, target, frames):
    s = records(state, 1, TONESTACK_STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    stride = np.int64(s.parameter_stride)
    p = row(s.parameters, s.parameter_stride, 0, frames)
    a = s.a if abs(s.a) < RUNAWAY else 0.0
    b = s.b if abs(s.b) < RUNAWAY else 0.0
    c = s.c if abs(s.c) < RUNAWAY else 0.0
    for n in range(frames):
        v = np.float64(x[n])
        aa, ab, ac = np.float64(p[n]), np.float64(p[stride + n]), np.float64(p[2 * stride + n])
        bb, bc, cc = np.float64(p[3 * stride + n]), np.float64(p[4 * stride + n]), np.float64(p[5 * stride + n])
        next_a = a + aa * a + ab * b + ac * c + np.float64(p[6 * stride + n]) * v
        next_b = b + ab * a + bb * b + bc * c + np.float64(p[7 * stride + n]) * v
        c = c + ac * a + bc * b + cc * c + np.float64(p[8 * stride + n]) * v
        a, b = next_a, next_b
        out = np.float64(p[9 * stride + n]) * a + np.float64(p[10 * stride + n]) * b
        y[n] = np.float32(out + np.float64(p[11 * stride + n]) * c + np.float64(p[12 * stride + n]) * v)
    s.a, s.b, s.c = a, b, c
    return 0


KERNEL = Loop(process)
TONESTACK = Effect(
    "tonestack",
    PARAMETERS,
    cells,
    KERNEL,
    TONESTACK_STATE,
    tail=lambda values, sample_rate: math.ceil(TAIL_SECONDS * sample_rate),
    summary="bass, mid and treble of an amp's circuit",
)
