"""Input and output of the engine: it reads device or file frames into planar rows, writes mixed rows, and meters."""

from __future__ import annotations

import numpy as np

from ..effects.limiter import limit_frame
from ..kernels.kernel import inline
from ..kernels.memory import floats, records
from ..kernels.rows import fill_row, measure_row, number_of_bits, read_row, scale_row, scatter_row
from ..plan.arena import MAX_CHANNELS
from .layout import ENGINE, GLIDE, OFFSET, ROW

DRY, IN, MUTED, MIX = (OFFSET[name] for name in ("dry_rows", "in_rows", "muted_rows", "mix_rows"))
IN_PEAKS, IN_METERS, IN_HELD = (OFFSET[name] for name in ("in_peaks", "in_meters", "in_held"))
OUT_PEAKS, OUT_METERS, OUT_HELD = (OFFSET[name] for name in ("out_peaks", "out_meters", "out_held"))
ROW_PEAKS = OFFSET["row_peaks"]
IN_GAIN, OUT_GAIN, WET, OPEN = (OFFSET[name] for name in ("in_gain", "out_gain", "wet", "open"))
METERS_PER_SECOND = 10.0  # how often peaks are published, as often as the display is drawn
ZERO, ONE = np.float32(0.0), np.float32(1.0)


@inline
def glide_next(address):
    """Return the value of a glide at this frame and advance it by one frame. [audio thread]"""
    g = records(address, 1, GLIDE)[0]
    if g.left > 0:
        g.left -= 1
        g.value = g.value + g.step if g.left > 0 else g.goal
    return g.value


@inline
def idle(address):
    """Return whether no glide of this value is in progress. [audio thread]"""
    return records(address, 1, GLIDE)[0].left == 0


@inline
def read_input(engine, device, first, frames):
    """Read the input into the dry rows, meter it, and write it with the input gain to the input rows. [audio thread]

    A sample that is above `loudest` or not finite is replaced by 0.
    """
    e = records(engine, 1, ENGINE)[0]
    peaks = floats(engine + IN_PEAKS, MAX_CHANNELS)
    loudest = np.int64(0)
    for row in range(e.inputs):
        dry = engine + DRY + 4 * ROW * row
        channel = e.in_channel + row * e.in_step
        bits = np.int64(0)
        if e.source != 0 and channel < e.source_channels:
            read_source(engine, dry, channel, frames)
            bits = measure_row(dry, frames)
        elif e.source == 0 and device != 0 and channel < e.device_inputs:
            place = device + 4 * (first * e.device_inputs + channel)
            bits = read_row(dry, place, e.device_inputs, e.loudest, frames)
        else:
            fill_row(dry, ZERO, frames)
        window = min(channel, MAX_CHANNELS - 1)
        peaks[window] = max(peaks[window], number_of_bits(bits))
        loudest = max(loudest, bits)
    e.in_peak_max = max(e.in_peak_max, number_of_bits(loudest))
    if e.source != 0:
        e.source_position += frames
    elif device != 0:
        for channel in range(min(e.device_inputs, MAX_CHANNELS)):
            beyond = channel - e.in_channel
            if beyond % e.in_step == 0 and 0 <= beyond // e.in_step < e.inputs:
                continue  # measured above
            place = device + 4 * (first * e.device_inputs + channel)
            # the muted rows serve as scratch memory, as they are not in use until the slots run
            bits = read_row(engine + MUTED, place, e.device_inputs, e.loudest, frames)
            peaks[channel] = max(peaks[channel], number_of_bits(bits))
    if idle(engine + IN_GAIN):
        gain = records(engine + IN_GAIN, 1, GLIDE)[0].value
        for row in range(e.inputs):
            scale_row(engine + IN + 4 * ROW * row, engine + DRY + 4 * ROW * row, gain, frames)
        return
    for n in range(frames):
        gain = glide_next(engine + IN_GAIN)
        for row in range(e.inputs):
            place = 4 * (ROW * row + n)
            floats(engine + IN + place, 1)[0] = floats(engine + DRY + place, 1)[0] * gain


@inline
def read_source(engine, target, channel, frames):
    """Fill a row from the file that replaces the device's input. [audio thread]

    Frames after the end of the file are 0, and so are samples that are above `loudest` or not finite.
    """
    e = records(engine, 1, ENGINE)[0]
    row = floats(target, frames)
    for n in range(frames):
        place = e.source_position + n
        if e.source_loops != 0 and e.source_frames > 0:
            place = place % e.source_frames
        value = ZERO
        if place < e.source_frames:
            value = floats(e.source + 4 * (place * e.source_channels + channel), 1)[0]
        row[n] = value if abs(value) <= e.loudest else ZERO


@inline
def fade_gain(e, frame):
    """Return the gain of the start and stop fades, 0 to 1, at a stream frame. [audio thread]"""
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
    """Apply bypass, output gain, mute, limiter and fades to the mixed rows, and meter them. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    peaks, held = floats(engine + OUT_PEAKS, MAX_CHANNELS), floats(engine + OUT_HELD, MAX_CHANNELS)
    if e.held_cleared != e.clear_held:
        for channel in range(MAX_CHANNELS):
            held[channel] = floats(engine + IN_HELD, MAX_CHANNELS)[channel] = ZERO
        e.held_cleared = e.clear_held
    apply_gains(engine, frames)
    row_peaks = floats(engine + ROW_PEAKS, MAX_CHANNELS)
    peak = ZERO
    for row in range(e.outputs):
        held[row] = max(held[row], row_peaks[row])
        peak = max(peak, row_peaks[row])
    still = e.clock >= e.start_frames and e.stop_frame < 0
    if still and peak < ONE and (e.limit == 0 or e.limiter_peak <= ONE):
        # below its threshold the limiter does not change the signal, and its remembered peak has no effect
        for row in range(e.outputs):
            peaks[row] = max(peaks[row], row_peaks[row])
        e.out_peak_max = max(e.out_peak_max, peak)
        return
    for n in range(frames):
        loudest = ZERO
        for row in range(e.outputs):
            loudest = max(loudest, abs(floats(engine + MIX + 4 * (ROW * row + n), 1)[0]))
        limit = ONE
        if e.limit != 0:
            limit, e.limiter_peak = limit_frame(loudest, e.limiter_peak, e.limiter_release)
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
def apply_gains(engine, frames):
    """Apply bypass, output gain and mute to the mixed rows; store the peak of each row. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    wets, gains, opens = engine + WET, engine + OUT_GAIN, engine + OPEN
    whole = ONE
    if idle(wets) and idle(gains) and idle(opens) and records(wets, 1, GLIDE)[0].value == ONE:
        whole = records(gains, 1, GLIDE)[0].value * records(opens, 1, GLIDE)[0].value
    else:
        for n in range(frames):
            wet = glide_next(wets)
            gain = glide_next(gains) * glide_next(opens)
            for row in range(e.outputs):
                place = engine + MIX + 4 * (ROW * row + n)
                value = floats(place, 1)[0]
                if wet != ONE:
                    dry = floats(engine + DRY + 4 * (ROW * min(row, e.inputs - 1) + n), 1)[0]
                    value = value * wet + dry * (ONE - wet)
                floats(place, 1)[0] = value * gain
    for row in range(e.outputs):
        place = engine + MIX + 4 * ROW * row
        floats(engine + ROW_PEAKS, MAX_CHANNELS)[row] = number_of_bits(scale_row(place, place, whole, frames))


@inline
def write_output(engine, device, first, frames):
    """Write the mixed rows to the chosen channels of the device; other channels are silent. [audio thread]

    If there is only one row, every chosen channel gets it.
    """
    e = records(engine, 1, ENGINE)[0]
    if device == 0:
        return
    if e.out_count < e.device_outputs or (e.outputs > 1 and e.outputs < e.out_count):
        values = floats(device + 4 * first * e.device_outputs, frames * e.device_outputs)
        for n in range(frames * e.device_outputs):
            values[n] = ZERO
    for number in range(e.out_count):
        row = number if e.outputs > 1 else 0
        channel = e.out_channel + number * e.out_step
        if row < e.outputs and 0 <= channel < e.device_outputs:
            place = device + 4 * (first * e.device_outputs + channel)
            scatter_row(place, engine + MIX + 4 * ROW * row, e.device_outputs, frames)


@inline
def publish_meters(engine, frames):
    """Every tenth of a second, publish its peaks and update the held peaks. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    e.meter_window += frames
    peaks = floats(engine + IN_PEAKS, MAX_CHANNELS)
    loudest = ZERO
    channels = max(max(e.device_inputs, e.source_channels), e.in_channel + 1)
    channels = max(channels, e.in_channel + 1 + (e.inputs - 1) * e.in_step)
    channels = min(channels, MAX_CHANNELS)
    for channel in range(channels):
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
