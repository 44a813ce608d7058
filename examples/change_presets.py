"""Go through the presets and scenes of a set list while it plays: python change_presets.py [LIST.yaml [DEVICE]]"""

import sys

import rtfx

path = sys.argv[1] if len(sys.argv) > 1 else "crunch.yaml"
device = sys.argv[2] if len(sys.argv) > 2 else None  # None: the default device
BEAT = 0.25  # s

with rtfx.Rig.from_yaml(path).play(device=device) as stream:
    for index, name in enumerate(stream.presets):
        if index in stream.unplayable:
            print(f"{name} cannot play: {stream.unplayable[index]}")
            continue
        stream.select(index)  # crossfaded, no gap
        print(f"preset {index + 1}: {name}")
        stream.wait(BEAT)
        for scene in stream.scenes:
            stream.scene(scene)
            print(f"  scene {scene}: {stream.scenes[scene]}")
            stream.wait(BEAT)
        for line in stream.news():
            print(line)
