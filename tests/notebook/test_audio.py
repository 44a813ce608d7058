"""What has been played: the rings' last minute, and no more than the stream's own frames."""

import base64
import io
import wave

import numpy as np
import pytest

from rtfx.notebook.audio import EMBED_SECONDS, Audio, played
from tests.engine.rigs import engine, gain, noise

RATE = 48000


def frames_of(html: str) -> int:
    """Return how many frames a player has embedded."""
    with wave.open(io.BytesIO(base64.b64decode(html.partition("base64,")[2].partition('"')[0]))) as file:
        return file.getnframes()


def test_what_an_engine_has_played():
    x = noise(4800)
    assert played(engine([gain()]), None).samples.shape == (1, 0), "without rings nothing is kept"
    playing = engine([gain()], ring_frames=9600)
    heard = playing.drive(x, 64)
    assert np.array_equal(played(playing, None).samples, heard.T)
    assert np.array_equal(played(playing, 1000).samples, heard.T[:, :1000]), (
        "what is behind the end was not the stream's"
    )


@pytest.mark.parametrize("seconds, kept", [(0.5, 0.5), (EMBED_SECONDS + 2.0, EMBED_SECONDS)])
def test_the_last_minute_of_longer_audio_is_embedded(seconds, kept):
    audio = Audio(np.zeros(round(seconds * 1000)), 1000)
    assert audio.seconds == seconds
    assert frames_of(audio._repr_html_()) == round(kept * 1000)


def test_samples_are_kept_in_float32_and_copied_on_demand():
    audio = Audio([0.0, 0.25], RATE)
    assert audio.samples.dtype == np.float32
    assert np.shares_memory(np.asarray(audio), audio.samples)
    assert not np.shares_memory(np.array(audio, copy=True), audio.samples)
    assert np.asarray(audio, np.float64).dtype == np.float64
    assert repr(Audio(np.zeros((2, 24000)), RATE)) == "<rtfx.Audio 0.50 s, 2 channels at 48000 Hz>"
