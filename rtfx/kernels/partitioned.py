"""Long convolution without latency: the end of an impulse response in partitions, by Fourier transforms.

The first taps are convolved directly, by a conv tile. This kernel adds the others, from tap 2 P on, P a power of two:
one block of P inputs is collected, then worked on while the next block comes in, and what it adds is heard after that,
2 P frames late, which is just when those taps begin. Several of these levels with growing P cover a response; each
costs about as many products a frame as it has partitions (W. Gardner, "Efficient convolution without input-output
delay", 1995).

The work of a period is a fixed row of small units. After n of its P frames, so many units are done that n / P of their
cost is spent: no callback does more than its share, and as every unit computes the same in whichever callback it runs,
the sound does not depend on the block size.

The transform is of the real block and the one before it, 2 P numbers as P complex ones: z[n] = w**n (x[n] + i x[n+P]),
w = exp(i pi / 2P). A product of two such transforms is the product of polynomials modulo X**2P + 1; its last P numbers
are the convolution, as with overlap-save, but no bin is special. The order of the bins is that in which the transform
leaves them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .kernel import Loop, inline, intrinsic
from .memory import floats, records
from .state import state_dtype

LANES = 8  # floats of a vector; a processor with shorter ones uses several
CHUNK = 64  # bins, or numbers, in one unit; the smallest P
LEVELS = (256, 1024, 4096, 16384)  # P of the levels that may be used
DIRECT = 2048  # taps; a shorter response is convolved directly

# Costs in ns a frame, measured; they choose the levels only.
DIRECT_COST = 0.032  # of a tap
PRODUCT_COST = 0.4  # of a partition
STAGE_COST = 2.2  # of a doubling of P

# Shares of a unit of each kind in the work of a period.
LOAD_UNITS, STAGE_UNITS, PRODUCT_UNITS = 4, 3, 1

LARGEST = np.float32(1e15)  # no guitar is louder; such a sample, or NaN, is taken for silence, as it would stay

STATE = state_dtype(
    ("size", np.int64),  # P
    ("partitions", np.int64),
    ("place", np.int64),  # frames of this period
    ("block", np.int64),  # number of the period
    ("unit", np.int64),  # next one of the period
    ("spent", np.int64),
)
MEMORY = STATE.itemsize


class Level(NamedTuple):
    """Partitions of one size: the taps from 2 `size` on, `partitions` times `size` of them."""

    size: int
    partitions: int


def levels_for(taps: int) -> tuple[Level, ...]:
    """Return the levels for a response: those of the least modelled cost; none if the direct form is cheaper."""
    found: tuple[float, tuple[Level, ...]] = (DIRECT_COST * taps, ())
    for chosen in range(1, 1 << len(LEVELS) if taps > DIRECT else 1):
        sizes = [size for index, size in enumerate(LEVELS) if chosen >> index & 1]
        ends = [min(2 * size, taps) for size in sizes[1:]] + [taps]
        levels = tuple(
            Level(size, -(-(end - 2 * size) // size)) for size, end in zip(sizes, ends, strict=True) if end > 2 * size
        )
        if len(levels) < len(sizes):
            continue
        cost = DIRECT_COST * 2 * sizes[0] + sum(
            PRODUCT_COST * level.partitions + STAGE_COST * math.log2(level.size) for level in levels
        )
        found = min(found, (cost, levels))
    return found[1]


def state_at(level: Level) -> np.dtype:
    """Return the record of a level's state with its memory: three blocks of input, work, output twice, spectra."""
    floats_behind = level.size * (3 + 2 + 2 + 2 * level.partitions)
    places: dict = dict(STATE.fields or {})
    names = list(places)
    return np.dtype(
        {
            "names": names,
            "formats": [places[name][0] for name in names],
            "offsets": [places[name][1] for name in names],
            "itemsize": MEMORY + 4 * floats_behind,
        }
    )


def pack(level: Level, response: np.ndarray) -> np.ndarray:
    """Return the weights of a level, (floats,): twiddles, twists and the spectra of its partitions.

    Parameters
    ----------
    response : (taps,) array
        The whole response; the level takes its own part of it.
    """
    size = level.size
    twiddles = np.concatenate([np.exp(-1j * np.pi * np.arange(half) / half) for half in _halves(size)] + [np.ones(1)])
    twist = np.exp(0.5j * np.pi * np.arange(size) / size)
    part = np.zeros(level.partitions * size)
    taps = response[2 * size : 2 * size + part.size]
    part[: len(taps)] = taps
    spectra = np.fft.fft(part.reshape(level.partitions, size) * twist, axis=1)[:, _order(size)] / size
    chunks = spectra.reshape(level.partitions, size // CHUNK, CHUNK).transpose(1, 0, 2)
    both = np.stack([chunks.real, chunks.imag], axis=2)  # (chunk, partition, re and im, bin)
    tables = [twiddles.real, twiddles.imag, twist.real, twist.imag]
    return np.concatenate([*tables, both.ravel()]).astype(np.float32)


def _halves(size: int) -> list[int]:
    """Return the distance of the two numbers of a butterfly, stage by stage, of the forward transform."""
    return [size >> stage for stage in range(1, size.bit_length())]


def _order(size: int) -> np.ndarray:
    """Return which bin the forward transform leaves at each place: the bits of the place reversed."""
    order = np.zeros(1, int)
    while len(order) < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def _vectors(builder, address, count: int):
    """Return pointers to `count` adjacent vectors of floats."""
    from llvmlite import ir

    kind = ir.VectorType(ir.FloatType(), LANES)
    first = builder.inttoptr(address, kind.as_pointer())
    return [builder.gep(first, [ir.IntType(64)(index)]) for index in range(count)]


def _four(emit):
    """Return what an intrinsic over four int64 arguments returns."""
    from numba import types

    return types.void(types.int64, types.int64, types.int64, types.int64), emit


@intrinsic
def butterflies(context, one, other, imaginary, twiddle):
    """Do `LANES` forward butterflies in place: a + b and (a - b) t.

    `one` and `other` are addresses of the real parts of a and b, `imaginary` bytes before the imaginary ones; `twiddle`
    is the address of the real parts of t, and its imaginary ones are as far behind.
    """

    def codegen(context, builder, signature, arguments):
        places = _places(builder, arguments)
        ar, ai, br, bi, tr, ti = (builder.load(place, align=4) for place in places)
        dr, di = builder.fsub(ar, br), builder.fsub(ai, bi)
        results = (
            builder.fadd(ar, br),
            builder.fadd(ai, bi),
            builder.fsub(builder.fmul(dr, tr), builder.fmul(di, ti)),
            builder.fadd(builder.fmul(dr, ti), builder.fmul(di, tr)),
        )
        for result, place in zip(results, places, strict=False):
            builder.store(result, place, align=4)
        return context.get_dummy_value()

    return _four(codegen)


@intrinsic
def butterflies_back(context, one, other, imaginary, twiddle):
    """Do `LANES` inverse butterflies in place: a + b / t and a - b / t; |t| is 1."""

    def codegen(context, builder, signature, arguments):
        places = _places(builder, arguments)
        ar, ai, br, bi, tr, ti = (builder.load(place, align=4) for place in places)
        dr = builder.fadd(builder.fmul(br, tr), builder.fmul(bi, ti))
        di = builder.fsub(builder.fmul(bi, tr), builder.fmul(br, ti))
        results = builder.fadd(ar, dr), builder.fadd(ai, di), builder.fsub(ar, dr), builder.fsub(ai, di)
        for result, place in zip(results, places, strict=False):
            builder.store(result, place, align=4)
        return context.get_dummy_value()

    return _four(codegen)


def _places(builder, arguments):
    """Return the pointers to real and imaginary parts of a, b and the twiddle."""
    one, other, imaginary, twiddle = arguments
    return [
        _vectors(builder, place, 1)[0]
        for address in (one, other, twiddle)
        for place in (address, builder.add(address, imaginary))
    ]


@intrinsic
def add_products(context, real, imaginary, one, other):
    """Add `CHUNK` complex products; the imaginary parts of the factors lie `CHUNK` floats behind the real ones."""

    def codegen(context, builder, signature, arguments):
        many = CHUNK // LANES
        reals, imaginaries = (_vectors(builder, address, many) for address in arguments[:2])
        ones, others = (_vectors(builder, address, 2 * many) for address in arguments[2:])
        for index in range(many):
            xr, xi, hr, hi = (
                builder.load(place, align=4)
                for place in (ones[index], ones[many + index], others[index], others[many + index])
            )
            straight = builder.fsub(builder.fmul(xr, hr), builder.fmul(xi, hi))
            across = builder.fadd(builder.fmul(xr, hi), builder.fmul(xi, hr))
            for place, more in ((reals[index], straight), (imaginaries[index], across)):
                builder.store(builder.fadd(builder.load(place, align=4), more), place, align=4)
        return context.get_dummy_value()

    return _four(codegen)


@inline("none(int64, int64, int64, int64, int64)")
def load(memory, tables, first, block, size):
    """Twist `CHUNK` numbers of the last two whole blocks into the work."""
    taken = floats(memory, 1)
    work = floats(memory + 12 * size, 1)
    twist = floats(tables + 8 * size, 1)
    older, newer = (block + 1) % 3 * size, (block + 2) % 3 * size
    for n in range(first, first + CHUNK):
        a, b, c, d = taken[older + n], taken[newer + n], twist[n], twist[size + n]
        work[n] = a * c - b * d
        work[size + n] = a * d + b * c


@inline("none(int64, int64, int64, int64, int64)")
def unload(work, tables, heard, first, size):
    """Untwist `CHUNK` numbers of the work into the output of the next period."""
    z, y = floats(work, 1), floats(heard, 1)
    twist = floats(tables + 8 * size, 1)
    for n in range(first, first + CHUNK):
        y[n] = z[size + n] * twist[n] - z[n] * twist[size + n]


@inline("none(int64, int64, int64, int64, int64)")
def transform(work, tables, unit, size, backwards):
    """Do `CHUNK` / 2 butterflies of a transform; `unit` is their number in all stages of the forward one."""
    half_of_all = size >> 1
    number = unit * (CHUNK >> 1)
    stage = number // half_of_all
    half = half_of_all >> stage
    first = number - stage * half_of_all
    twiddles = tables + 4 * (size - (size >> stage))
    if half >= LANES:
        for step in range(first, first + (CHUNK >> 1), LANES):
            inside = step & (half - 1)
            one = work + 4 * (2 * (step - inside) + inside)
            if backwards != 0:
                butterflies_back(one, one + 4 * half, 4 * size, twiddles + 4 * inside)
            else:
                butterflies(one, one + 4 * half, 4 * size, twiddles + 4 * inside)
        return
    z = floats(work, 1)
    t = floats(twiddles, 1)
    for step in range(first, first + (CHUNK >> 1)):
        inside = step & (half - 1)
        i = 2 * (step - inside) + inside
        j = i + half
        ar, ai, br, bi = z[i], z[size + i], z[j], z[size + j]
        tr, ti = t[inside], t[size + inside]
        if backwards != 0:
            dr, di = br * tr + bi * ti, bi * tr - br * ti
            z[i], z[size + i], z[j], z[size + j] = ar + dr, ai + di, ar - dr, ai - di
        else:
            dr, di = ar - br, ai - bi
            z[i], z[size + i], z[j], z[size + j] = ar + br, ai + bi, dr * tr - di * ti, dr * ti + di * tr


@inline("none(int64, int64, int64, int64, int64, int64)")
def multiply(memory, tables, chunk, block, size, partitions):
    """Keep `CHUNK` bins of the newest spectrum and replace them by the sum of the products with all partitions."""
    work = memory + 12 * size
    bytes_of = 8 * CHUNK
    spectra = memory + 28 * size + chunk * partitions * bytes_of
    responses = tables + 16 * size + chunk * partitions * bytes_of
    newest = (block + partitions - 1) % partitions
    z, kept = floats(work, 1), floats(spectra + newest * bytes_of, 1)
    first = chunk * CHUNK
    for n in range(CHUNK):
        kept[n] = z[first + n]
        kept[CHUNK + n] = z[size + first + n]
        z[first + n] = np.float32(0.0)
        z[size + first + n] = np.float32(0.0)
    slot = newest
    for partition in range(partitions):
        add_products(
            work + 4 * first, work + 4 * (size + first), spectra + slot * bytes_of, responses + partition * bytes_of
        )
        slot = slot - 1 if slot > 0 else partitions - 1


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    size, partitions, tables = s.size, s.partitions, s.weights
    memory = state + MEMORY  # three blocks of input, the work, two blocks of output, spectra
    work = memory + 12 * size
    taken, heard = floats(memory, 1), floats(memory + 20 * size, 1)
    chunks = size // CHUNK
    loaded, moved = chunks, 0
    while (1 << (moved + 1)) <= size:
        moved += 1
    moved *= chunks  # units of one transform
    total = 2 * chunks * LOAD_UNITS + 2 * moved * STAGE_UNITS + chunks * PRODUCT_UNITS * partitions
    done = 0
    while done < frames:
        count = min(size - s.place, frames - done)
        begin = (s.block % 3) * size + s.place
        play = (s.block & 1) * size + s.place
        x = floats(source + 4 * done, 1)
        y = floats(target + 4 * done, 1)
        for n in range(count):
            sample = x[n]
            if not abs(sample) < LARGEST:
                sample = np.float32(0.0)
            taken[begin + n] = sample
            y[n] += heard[play + n]
        s.place += count
        done += count
        due = total if s.place == size else total * s.place // size
        while s.spent < due:
            unit = s.unit
            if unit < chunks:
                load(memory, tables, unit * CHUNK, s.block, size)
                s.spent += LOAD_UNITS
            elif unit < loaded + moved:
                transform(work, tables, unit - loaded, size, 0)
                s.spent += STAGE_UNITS
            elif unit < loaded + moved + chunks:
                multiply(memory, tables, unit - loaded - moved, s.block, size, partitions)
                s.spent += PRODUCT_UNITS * partitions
            elif unit < loaded + moved + chunks + moved:
                # the stages of the forward transform in reverse order, each from its beginning
                number = unit - loaded - moved - chunks
                transform(work, tables, moved - chunks - number // chunks * chunks + number % chunks, size, 1)
                s.spent += STAGE_UNITS
            else:
                first = (unit - loaded - 2 * moved - chunks) * CHUNK
                unload(work, tables, memory + 4 * size * (5 + ((s.block + 1) & 1)), first, size)
                s.spent += LOAD_UNITS
            s.unit += 1
        if s.place == size:
            s.place, s.unit, s.spent = 0, 0, 0
            s.block += 1
    return 0


KERNEL = Loop(process)
