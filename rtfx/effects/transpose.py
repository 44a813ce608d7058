"""Transposer: chords up to an octave up or down, by a bank of narrow bands whose contents are shifted in frequency.

A bank of complex resonators, two equal poles each, takes the input apart: 11 Hz wide in the bass, so that the strings
of a chord stand in bands of their own, wider with rising frequency. Added up with the right phases the bands give the
input again, all frequencies equally loud to 0.3 dB: band b gets the phase minus the integral of the group delay up to
its frequency. Between the local maxima of level over the bands lie regions, each around one partial. Every `hop`
frames the frequency of each maximum is read from how far its phase has turned, and during the next hop all bands of its
region are turned faster by (ratio - 1) times that. All bands of a partial turn together, so their sum, and its level,
stay what they were (after J. Laroche and M. Dolson, "New phase-vocoder techniques for pitch-shifting", 1999, with the
bank in place of Fourier transforms: the transforms would be as late in the treble as in the bass).

A band that changes to another region glides to its phase within one hop. A partial that would be above 0.95 of half the
sample rate is silent.

The group delay is 18.5 ms in the bass, 14.7 ms at 500 Hz, 3 ms at 2 kHz. The block is said to be as late as at 500 Hz.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from ..kernels.kernel import Loop, inline, intrinsic
from ..kernels.memory import floats, records, row
from ..kernels.state import offsets, state_dtype
from ..rig.parameters import Parameter
from .effect import Effect

PARAMETERS = (
    Parameter("semitones", 0.0, -12.0, 12.0, "", summary="how far the sound is moved; 12 are an octave"),
    Parameter("mix", 1.0, summary="share of the moved sound; the rest is the input, as late"),
    Parameter("level_db", 0.0, -24.0, 12.0, "dB", summary="gain after it"),
)

DELAY_SECONDS = 0.0185  # of the group, in the bass
NAMED_HZ = 500.0  # where the group delay is what `latency` says
CORNER_HZ = 600.0  # from here on the bands become wider
WIDENING = 3.0  # the width is that of the bass times sqrt(1 + (f / CORNER_HZ)**WIDENING)
SPACING = 0.5  # distance of two bands over their width
RANGE_HZ = (45.0, 15000.0)
HIGHEST = 0.95  # of half the sample rate: the highest partial that comes out
HOP_SECONDS = 32 / 48000
LONGEST_HOP = 256
LANES = 8  # bands in one vector
MOST = 320  # bands
FIELDS = 11  # vectors of a group: pole, scale, first and second state, turn, step; all complex but the scale
REFRESHED = 16  # one band of so many gets its turn anew each hop, as rounding moves it
FADED = 0.9  # factor a frame of a band that becomes silent
LEADS_FROM = 0.1  # of the loudest band's power: so loud, a band leads its region as long as it has done so
SILENCE = 1e-30  # power of a band that is set to 0
POWER_RUNAWAY = 1e30  # no guitar has such a power; a larger one, or NaN, resets the bank

BANK = np.dtype(
    [
        ("bands", np.int64),
        ("hop", np.int64),
        ("place", np.int64),  # frames of this hop
        ("hops", np.int64),
        ("gain", np.float64),
        ("frequency", np.float64, (MOST,)),  # radians a frame
        ("phase", np.float64, (MOST,)),
        ("turned", np.float64, (MOST,)),  # by how much the shift has turned each band so far
        ("before", np.float64, (2 * MOST,)),  # its state one hop ago
        ("power", np.float64, (MOST,)),
        ("peaks", np.int64, (MOST,)),
        ("muted", np.int64, (MOST,)),
        ("leads", np.int64, (MOST,)),  # 1: its frequency was that of its region
        ("groups", np.float32, (MOST * FIELDS,)),
        ("sums", np.float32, (LONGEST_HOP * LANES,)),
    ],
    align=True,
)
GROUPS, SUMS = offsets(BANK)["groups"], offsets(BANK)["sums"]


def bank_dtype(voices: int) -> np.dtype:
    """Return the state of a kernel with so many banks: the length of its ring, its delay, and the banks as bytes."""
    return state_dtype(
        ("ring", np.int64), ("late", np.int64), ("written", np.int64), ("banks", np.uint8, (voices * BANK.itemsize,))
    )


STATE = bank_dtype(1)
BANKS, MEMORY = offsets(STATE)["banks"], STATE.itemsize


def width_hz(frequency: float) -> float:
    """Return the width of a band at its half-power points."""
    bass = math.sqrt(math.sqrt(2.0) - 1.0) / (math.pi * DELAY_SECONDS)
    return bass * math.sqrt(1.0 + (frequency / CORNER_HZ) ** WIDENING)


def delay_seconds(frequency: float) -> float:
    """Return the group delay of a band at its centre."""
    return math.sqrt(math.sqrt(2.0) - 1.0) / (math.pi * width_hz(frequency))


def latency(sample_rate: float) -> int:
    """Return the group delay at `NAMED_HZ` in frames."""
    return round(delay_seconds(NAMED_HZ) * sample_rate)


def ring_frames(sample_rate: float) -> int:
    """Return the length of the delay line of the dry sound, a power of two."""
    return 1 << latency(sample_rate).bit_length()


@cache
def bank(sample_rate: float) -> np.ndarray:
    """Return a `BANK` at rest, as bytes."""
    centres = [RANGE_HZ[0]]
    while (following := centres[-1] + SPACING * width_hz(centres[-1])) < min(RANGE_HZ[1], 0.45 * sample_rate):
        centres.append(following)
    many = len(centres)
    delays = np.array([delay_seconds(centre) for centre in centres])
    frequency = 2.0 * math.pi * np.array(centres) / sample_rate
    steps = np.diff(2.0 * math.pi * np.array(centres)) * 0.5 * (delays[1:] + delays[:-1])
    phase = -np.concatenate([[0.0], np.cumsum(steps)])
    decay = 1.0 / (delays * sample_rate)
    pole = np.exp(-decay + 1j * frequency)
    scale = (1.0 - np.abs(pole)) ** 2
    probes = np.exp(2j * math.pi * np.geomspace(150.0, 0.2 * min(sample_rate, 48000.0), 40) / sample_rate)[:, None]
    whole = 0.5 * np.abs((scale / (1.0 - pole / probes) ** 2 * np.exp(1j * phase)).sum(axis=1))
    result = np.zeros(1, BANK)
    groups = np.zeros((-(-many // LANES) * LANES, FIELDS))
    gain = 1.0 / float(np.median(whole))
    turn = gain * np.exp(1j * phase)
    groups[:many, [0, 1, 2, 7, 8]] = np.stack([pole.real, pole.imag, scale, turn.real, turn.imag], axis=1)
    groups[:, 9] = 1.0
    result["groups"][0, : groups.size] = groups.reshape(-1, LANES, FIELDS).transpose(0, 2, 1).ravel()
    result["bands"], result["gain"] = many, gain
    result["hop"] = min(32 * max(round(sample_rate * HOP_SECONDS / 32), 1), LONGEST_HOP)
    result["frequency"][0, :many], result["phase"][0, :many] = frequency, phase
    return result.view(np.uint8)


def constants_of(voices: int, sample_rate: float) -> dict:
    """Return the constants of a kernel with so many banks."""
    late, ring = latency(sample_rate), ring_frames(sample_rate)
    return {"ring": ring, "late": late, "banks": np.tile(bank(sample_rate), voices)}


def cells(values, sample_rate: float) -> list[float]:
    """Return [ratio, gain of the moved sound, gain of the dry one]."""
    gain = 10.0 ** (values["level_db"] / 20.0)
    return [2.0 ** (values["semitones"] / 12.0), gain * values["mix"], gain * (1.0 - values["mix"])]


@intrinsic
def advance(context, group, source, sums, count):
    """Run `LANES` bands over `count` samples and add what they give to `sums`, a vector a frame."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils

    def codegen(context, builder, signature, arguments):
        group, source, sums, count = arguments
        kind = ir.VectorType(ir.FloatType(), LANES)
        first = builder.inttoptr(group, kind.as_pointer())
        places = [builder.gep(first, [ir.IntType(64)(index)]) for index in range(FIELDS)]
        values = [builder.load(place, align=4) for place in places]
        pr, pi, scale, *states, sr, si = values
        slots = [cgutils.alloca_once_value(builder, state) for state in states]
        samples = builder.inttoptr(source, ir.FloatType().as_pointer())
        targets = builder.inttoptr(sums, kind.as_pointer())
        add, sub, mul = builder.fadd, builder.fsub, builder.fmul
        with cgutils.for_range(builder, count) as loop:
            sample = builder.load(builder.gep(samples, [loop.index]))
            single = builder.insert_element(ir.Constant(kind, ir.Undefined), sample, ir.IntType(32)(0))
            x = builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), ir.Constant(
                ir.VectorType(ir.IntType(32), LANES), [0] * LANES))  # fmt: skip
            ar, ai, br, bi, tr, ti = (builder.load(slot) for slot in slots)
            ar, ai = add(mul(scale, x), sub(mul(pr, ar), mul(pi, ai))), add(mul(pr, ai), mul(pi, ar))
            br, bi = add(ar, sub(mul(pr, br), mul(pi, bi))), add(ai, add(mul(pr, bi), mul(pi, br)))
            tr, ti = sub(mul(tr, sr), mul(ti, si)), add(mul(tr, si), mul(ti, sr))
            for slot, value in zip(slots, (ar, ai, br, bi, tr, ti), strict=True):
                builder.store(value, slot)
            place = builder.gep(targets, [loop.index])
            given = sub(mul(br, tr), mul(bi, ti))
            builder.store(add(builder.load(place, align=4), given), place, align=4)
        for slot, place in zip(slots, places[3:9], strict=True):
            builder.store(builder.load(slot), place, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), codegen


@inline
def wrapped(angle):
    """Return an angle between -pi and pi."""
    return angle - 2.0 * math.pi * math.floor(angle / (2.0 * math.pi) + 0.5)


@inline
def steer(address, ratio):
    """At the end of a hop: find the peaks, and set by how much each band turns during the next hop. [audio thread]"""
    b = records(address, 1, BANK)[0]
    many, hop = b.bands, b.hop
    total = 0.0
    for i in range(many):
        place = i // LANES * LANES * FIELDS + i % LANES
        re, im = np.float64(b.groups[place + 5 * LANES]), np.float64(b.groups[place + 6 * LANES])
        power = re * re + im * im
        if power < SILENCE:
            power = 0.0
            for field in range(3, 7):
                b.groups[place + field * LANES] = np.float32(0.0)
        b.power[i] = power
        total += power
    if not total < POWER_RUNAWAY:
        for i in range((many + LANES - 1) // LANES * LANES):  # the last vector's unused lanes too
            place = i // LANES * LANES * FIELDS + i % LANES
            for field in range(3, 7):
                b.groups[place + field * LANES] = np.float32(0.0)
            b.groups[place + 7 * LANES] = np.float32(b.gain * math.cos(b.phase[i]))
            b.groups[place + 8 * LANES] = np.float32(b.gain * math.sin(b.phase[i]))
            b.groups[place + 9 * LANES], b.groups[place + 10 * LANES] = np.float32(1.0), np.float32(0.0)
            b.turned[i], b.before[2 * i], b.before[2 * i + 1], b.power[i] = 0.0, 0.0, 0.0, 0.0
        return
    found = 0
    for i in range(many):
        here = b.power[i]
        above = here > 0.0
        for distance in range(1, 3):
            if i >= distance and here < b.power[i - distance]:
                above = False
            if i + distance < many and here <= b.power[i + distance]:
                above = False
        if above:
            b.peaks[found] = i
            found += 1
    start = 0
    for number in range(found):
        peak = b.peaks[number]
        end = many
        if number + 1 < found:
            end = peak
            for i in range(peak, b.peaks[number + 1]):
                if b.power[i] < b.power[end]:
                    end = i
        loudest = b.power[peak]
        best = LEADS_FROM * loudest
        for i in range(start, end):
            if b.leads[i] != 0 and b.power[i] >= best:
                best, peak = b.power[i], i
            b.leads[i] = 0
        b.leads[peak] = 1
        place = peak // LANES * LANES * FIELDS + peak % LANES
        re, im = np.float64(b.groups[place + 5 * LANES]), np.float64(b.groups[place + 6 * LANES])
        old_re, old_im = b.before[2 * peak], b.before[2 * peak + 1]
        advanced = b.frequency[peak] * hop
        if old_re != 0.0 or old_im != 0.0:
            angle = math.atan2(im * old_re - re * old_im, re * old_re + im * old_im)
            advanced += wrapped(angle - advanced)
        more = (ratio - 1.0) * advanced
        lead = b.turned[peak]
        goal = wrapped(lead + more)
        muted = 1 if advanced * ratio > HIGHEST * math.pi * hop else 0
        step_re, step_im = math.cos(more / hop), math.sin(more / hop)
        for i in range(start, end):
            place = i // LANES * LANES * FIELDS + i % LANES
            own_re, own_im = step_re, step_im
            apart = b.turned[i] != lead
            if apart:
                angle = (more + wrapped(lead - b.turned[i])) / hop
                own_re, own_im = math.cos(angle), math.sin(angle)
            if apart or b.muted[i] != 0 or (i + b.hops) % REFRESHED == 0:
                angle = b.turned[i] + b.phase[i]
                gain = b.gain * (0.0 if b.muted[i] != 0 and muted != 0 else 1.0)
                b.groups[place + 7 * LANES] = np.float32(gain * math.cos(angle))
                b.groups[place + 8 * LANES] = np.float32(gain * math.sin(angle))
            fall = FADED if muted != 0 else 1.0
            b.groups[place + 9 * LANES] = np.float32(own_re * fall)
            b.groups[place + 10 * LANES] = np.float32(own_im * fall)
            b.muted[i] = muted
        for i in range(start, end):
            b.turned[i] = goal
        start = end
    for i in range(many):
        place = i // LANES * LANES * FIELDS + i % LANES
        b.before[2 * i] = np.float64(b.groups[place + 5 * LANES])
        b.before[2 * i + 1] = np.float64(b.groups[place + 6 * LANES])
    b.hops += 1


@inline
def shift(address, source, target, ratio, level, frames):
    """Add what a bank makes of the source, times the level, to the target. [audio thread]"""
    b = records(address, 1, BANK)[0]
    y, sums = floats(target, 1), floats(address + SUMS, 1)
    done = 0
    while done < frames:
        count = min(b.hop - b.place, frames - done)
        for n in range(count * LANES):
            sums[n] = np.float32(0.0)
        for group in range((b.bands + LANES - 1) // LANES):
            advance(address + GROUPS + 4 * LANES * FIELDS * group, source + 4 * done, address + SUMS, count)
        for n in range(count):
            total = np.float32(0.0)
            for lane in range(LANES):
                total += sums[n * LANES + lane]
            y[done + n] += level[done + n] * total
        b.place += count
        done += count
        if b.place == b.hop:
            b.place = 0
            steer(address, np.float64(ratio[done - 1]))


@inline
def dry(state, memory, source, target, gain, frames):
    """Set the target to the delayed source times the gain. [audio thread]"""
    s = records(state, 1, STATE)[0]
    x, y, line = floats(source, 1), floats(target, 1), floats(memory, 1)
    ring, late, written = s.ring - 1, s.late, s.written
    for n in range(frames):
        line[written & ring] = x[n]
        y[n] = gain[n] * line[(written - late) & ring]
        written += 1
    s.written = written


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    ratio = row(s.parameters, s.parameter_stride, 0, frames)
    level = row(s.parameters, s.parameter_stride, 1, frames)
    kept = row(s.parameters, s.parameter_stride, 2, frames)
    dry(state, state + MEMORY, source, target, kept, frames)
    shift(state + BANKS, source, target, ratio, level, frames)
    return 0


KERNEL = Loop(process)
TRANSPOSE = Effect(
    "transpose",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    tail=lambda values, sample_rate: round(0.2 * sample_rate),
    summary="moves chords up or down by semitones; 15 ms late",
    constants=lambda sample_rate: constants_of(1, sample_rate),
    memory=ring_frames,
    latency=latency,
)
