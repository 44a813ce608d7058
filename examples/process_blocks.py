"""Process audio block by block, as a host would: the state goes on from call to call: python process_blocks.py"""

import numpy as np

import rtfx

rate, block = 48000, 256
amp = rtfx.load("amp.json", drive=0.6)
t = np.arange(rate) / rate
guitar = (0.3 * np.sin(2 * np.pi * 110 * t) * np.exp(-3 * t)).astype(np.float32)

pieces = []
for start in range(0, len(guitar), block):
    piece = guitar[start : start + block]  # the last one is shorter: any length is right
    pieces.append(amp(piece, rate, reset=start == 0))  # the first call begins anew, prewarmed

whole = amp(guitar, rate)
same = np.array_equal(np.concatenate(pieces), whole)
print(f"{len(pieces)} blocks, {'the same samples as' if same else 'NOT the same as'} in one call")
