"""The engine's two ends: device or file frames into planar rows, mixed rows out to the device; meters."""

from __future__ import annotations

import numpy as np

from ..effects.limiter import limit_frame
from ..kernels.jit import inline
from ..kernels.memory import floats, records
from ..plan.layout import MAX_CHANNELS
from .layout import ENGINE, GLIDE, OFFSET, ROW

DRY, IN, MUTED, MIX = (OFFSET[name] for name in ("dry_rows", "in_rows", "muted_rows", "mix_rows"))
IN_PEAKS, IN_METERS, IN_HELD = (OFFSET[name] for name in ("in_peaks", "in_meters", "in_held"))
OUT_PEAKS, OUT_METERS, OUT_HELD = (OFFSET[name] for name in ("out_peaks", "out_meters", "out_held"))
IN_GAIN, OUT_GAIN, WET, OPEN = (OFFSET[name] for name in ("in_gain", "out_gain", "wet", "open"))
METERS_PER_SECOND = 10.0  # as often as a view is drawn
ZERO, ONE = np.float32(0.0), np.float32(1.0)


@inline
def glide_next(address):
    """Return the gliding value of one frame and step on. [audio thread]"""
    g = records(address, 1, GLIDE)[0]
    if g.left > 0:
        g.left -= 1
        g.value = g.value + g.step if g.left > 0 else g.goal
    return g.value


@inline
def read_input(engine, device, first, frames):
    """Fill the dry rows from device or file, silence what is not finite, meter, apply the input gain. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    peaks = floats(engine + IN_PEAKS, MAX_CHANNELS)
    channels = e.source_channels if e.source != 0 else e.device_inputs
    for row in range(e.inputs):
        dry = floats(engine + DRY + 4 * ROW * row, frames)
        channel = row + e.in_channel
        for n in range(frames):
            dry[n] = ZERO
        if channel < channels and (device != 0 or e.source != 0):
            for n in range(frames):
                value = ZERO
                if e.source == 0:
                    value = floats(device + 4 * ((first + n) * channels + channel), 1)[0]
                else:
                    place = e.source_position + n
                    if e.source_loops != 0 and e.source_frames > 0:
                        place = place % e.source_frames
                    if place < e.source_frames:
                        value = floats(e.source + 4 * (place * channels + channel), 1)[0]
                if value * ZERO == ZERO:
                    dry[n] = value
    if e.source != 0:
        for row in range(e.inputs):
            dry = floats(engine + DRY + 4 * ROW * row, frames)
            channel = min(row + e.in_channel, MAX_CHANNELS - 1)
            for n in range(frames):
                peaks[channel] = max(peaks[channel], abs(dry[n]))
        e.source_position += frames
    elif device != 0:
        for channel in range(min(channels, MAX_CHANNELS)):
            for n in range(frames):
                value = abs(floats(device + 4 * ((first + n) * channels + channel), 1)[0])
                if value > peaks[channel]:
                    peaks[channel] = value
    for n in range(frames):
        gain = glide_next(engine + IN_GAIN)
        for row in range(e.inputs):
            place = 4 * (ROW * row + n)
            value = floats(engine + DRY + place, 1)[0]
            floats(engine + IN + place, 1)[0] = value * gain
            if abs(value) > e.in_peak_max:
                e.in_peak_max = abs(value)


@inline
def fade_gain(e, frame):
    """Return the gain of the start and stop fades at a stream frame. [audio thread]"""
    gain = ONE
    if frame < e.start_frames:
        gain = np.float32(frame) / np.float32(e.start_frames)
    if e.stop_frame >= 0:
        left = e.stop_frame - frame
        if left <= 0:
            gain = ZERO
        elif left < e.stop_frames:
            gain = gain * (np.float32(left) / np.float32(e.stop_frames))
    return gain


@inline
def finish_output(engine, frames):
    """Bypass, output gain, mute, limiter and fades on the mixed rows; meters. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    peaks, held = floats(engine + OUT_PEAKS, MAX_CHANNELS), floats(engine + OUT_HELD, MAX_CHANNELS)
    if e.held_cleared != e.clear_held:
        for channel in range(MAX_CHANNELS):
            held[channel] = floats(engine + IN_HELD, MAX_CHANNELS)[channel] = ZERO
        e.held_cleared = e.clear_held
    for n in range(frames):
        wet = glide_next(engine + WET)
        gain = glide_next(engine + OUT_GAIN) * glide_next(engine + OPEN)
        loudest = ZERO
        for row in range(e.outputs):
            place = 4 * (ROW * row + n)
            value = floats(engine + MIX + place, 1)[0]
            if wet != ONE:
                dry = floats(engine + DRY + 4 * (ROW * min(row, e.inputs - 1) + n), 1)[0]
                value = value * wet + dry * (ONE - wet)
            value = value * gain
            if value * ZERO != ZERO:
                value = ZERO
            floats(engine + MIX + place, 1)[0] = value
            loudest = max(loudest, abs(value))
            if abs(value) > held[row]:
                held[row] = abs(value)
        if e.limit != 0:
            limit, peak = limit_frame(loudest, e.limiter_peak, e.limiter_release)
            e.limiter_peak = peak
        else:
            limit = ONE
        if loudest >= ONE:
            e.out_clips += 1
        fade = fade_gain(e, e.clock + n)
        for row in range(e.outputs):
            place = engine + MIX + 4 * (ROW * row + n)
            value = floats(place, 1)[0] * limit
            if abs(value) > peaks[row]:
                peaks[row] = abs(value)
            value = value * fade
            floats(place, 1)[0] = value
            if abs(value) > e.out_peak_max:
                e.out_peak_max = abs(value)


@inline
def write_output(engine, device, first, frames):
    """Interleave the mixed rows for the device: one row goes to every channel, further channels stay silent. [audio]"""
    e = records(engine, 1, ENGINE)[0]
    if device == 0:
        return
    for channel in range(e.device_outputs):
        row = channel if e.outputs > 1 else 0
        mix = floats(engine + MIX + 4 * ROW * min(row, e.outputs - 1), frames)
        for n in range(frames):
            value = mix[n] if row < e.outputs else ZERO
            floats(device + 4 * ((first + n) * e.device_outputs + channel), 1)[0] = value


@inline
def publish_meters(engine, frames):
    """Publish the peaks of each tenth of a second, and those held since they were cleared. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    e.meter_window += frames
    peaks = floats(engine + IN_PEAKS, MAX_CHANNELS)
    loudest = ZERO
    for channel in range(MAX_CHANNELS):
        loudest = max(loudest, peaks[channel])
    if loudest >= ONE:
        e.in_clips += 1
    if np.float64(e.meter_window) * METERS_PER_SECOND >= e.sample_rate:
        meters, held = floats(engine + IN_METERS, MAX_CHANNELS), floats(engine + IN_HELD, MAX_CHANNELS)
        out_peaks, out_meters = floats(engine + OUT_PEAKS, MAX_CHANNELS), floats(engine + OUT_METERS, MAX_CHANNELS)
        for channel in range(MAX_CHANNELS):
            held[channel] = max(held[channel], peaks[channel])
            meters[channel], out_meters[channel] = peaks[channel], out_peaks[channel]
            peaks[channel] = out_peaks[channel] = ZERO
        e.meter_window = 0
