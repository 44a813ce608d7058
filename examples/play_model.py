"""Play your guitar through a model for ten seconds: python play_model.py [MODEL [DEVICE [SECONDS]]]"""

import sys

import rtfx

model = sys.argv[1] if len(sys.argv) > 1 else "klon.json"
device = sys.argv[2] if len(sys.argv) > 2 else None  # None: the default device
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0

pedal = rtfx.load(model)
print(f"{model}: {', '.join(pedal.knobs) or 'no knobs'}")

with rtfx.Rig([pedal]).play(device=device, seconds=seconds) as stream:
    for name in pedal.knobs:
        stream.set(f"model.{name}", 0.7)  # it glides there in 20 ms
    while not stream.wait(0.5):  # the sound does not depend on Python: this loop only prints
        level = max(stream.meters().inputs)
        print(f"input {level:6.1f} dBFS, load {100 * stream.stats.load_mean:.1f} %, xruns {stream.stats.xruns_out}")

latency = stream.stats.latency_ms
print(f"played {stream.stats.frames} frames, latency {'unknown' if latency is None else f'{latency:.1f} ms'}")
