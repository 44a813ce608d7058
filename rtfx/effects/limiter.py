"""Output limiter: no latency, all channels linked, bit-transparent below 0 dBFS, never above it.

Each frame, with peak_now the largest |x| of all channels:
    peak = max(peak_now, peak of the previous frame * release)
    gain = 1 / max(peak, 1)
The gain falls at once and recovers exponentially. The remembered peak is at most `REMEMBERED`, so that the gain
recovers within 0.3 s after any peak. As |x| <= peak, x * gain rounds to at most 1: the exact product of x and the
rounded 1 / peak is at most 1 + 2**-24, which is halfway between two float32 and rounds to the even one, 1.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import inline

RELEASE_SECONDS = 0.05
THRESHOLD = np.float32(1.0)  # 0 dBFS; the bound above holds for this value only
LARGEST = np.float32(3.4028235e38)  # the largest finite float32
REMEMBERED = np.float32(256.0)  # +48 dBFS


def release_factor(sample_rate: float) -> float:
    """Return the factor by which the remembered peak falls each frame; `sample_rate` in Hz."""
    return math.exp(-1.0 / (RELEASE_SECONDS * sample_rate))


@inline
def limit_frame(peak_now, peak, release):
    """Return (gain, peak to pass in with the next frame), float32; a NaN in `peak_now` is ignored. [audio thread]"""
    peak = peak * release
    if peak_now > peak:
        peak = peak_now
    if peak > LARGEST:
        peak = LARGEST
    gain = THRESHOLD
    if peak > THRESHOLD:
        gain = THRESHOLD / peak
    if peak > REMEMBERED:
        peak = REMEMBERED
    return gain, peak
