"""Files that are no model, or one too large: the right class, one line, the path in it, and no other exception."""

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from rtfx import errors
from rtfx.model import values
from rtfx.model.load import load

from .nets import conv1d, dense, gru, layer, network, np, small_nets, write

RNG = np.random.default_rng(6)
GOOD = json.dumps(small_nets()["gru"]).encode()

CONTENT = {
    "empty": (b"", "NotAModelFile", "empty"),
    "blank": (b"  \n\t ", "NotAModelFile", "empty"),
    "truncated": (GOOD[: len(GOOD) // 2], "NotAModelFile", "not JSON"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "NotAModelFile", "HTML"),
    "html-after-blank": (b"\n\n <html></html>", "NotAModelFile", "HTML"),
    "text": (b"not a model", "NotAModelFile", "not JSON"),
    "binary": (bytes(range(256)), "NotAModelFile", "not JSON"),
    "invalid-utf8": (b'{"a": "\xff\xfe"}', "NotAModelFile", "not JSON"),
    "list": (b"[1, 2, 3]", "NotAModelFile", "a list of 3, expected a JSON object"),
    "number": (b"3", "NotAModelFile", "expected a JSON object"),
    "no-keys": (b"{}", "NotAModelFile", "no known model family"),
    "other-json": (b'{"name": "x", "version": "1.2"}', "NotAModelFile", "'name', 'version'"),
    "twice": (GOOD.replace(b'{"in_shape"', b'{"layers": [], "in_shape"'), "NotAModelFile", "'layers' appears twice"),
    "pickle": (b"\x80\x04\x95abc", "NotAModelFile", "pickle"),
    "zip": (b"PK\x03\x04abc", "NotAModelFile", "zip"),
    "gzip": (b"\x1f\x8b\x08abc", "NotAModelFile", "a gzip archive"),
    "wav": (b"RIFF\x00\x00\x00\x00WAVE", "NotAModelFile", "WAV"),
    "nan": (GOOD.replace(b'"weights": [[[', b'"weights": [[[NaN, ', 1), "ShapeMismatch", "layers[0].weights[0]"),
    "nan-in-place": (b'{"in_shape":[null,1],"layers":[{"type":"dense","shape":[null,1],"weights":[[[NaN]],[0]]}]}',
                     "NonFiniteWeights", "layers[0].weights[0]"),
    "infinite": (b'{"in_shape":[null,1],"layers":[{"type":"dense","shape":[null,1],"weights":[[[1e999]],[0]]}]}',
                 "NonFiniteWeights", "layers[0].weights[0]"),
    "huge-integer": (b'{"in_shape":[null,1],"layers":[{"type":"dense","shape":[null,1],"weights":[[[1'
                     + b"0" * 400 + b']],[0]]}]}', "ShapeMismatch", "layers[0].weights[0]"),
    "integer-too-long": (b'{"in_shape": [null, ' + b"9" * 5000 + b'], "layers": []}', "NotAModelFile", "not JSON"),
    "ragged": (b'{"in_shape":[null,1],"layers":[{"type":"dense","shape":[null,2],"weights":[[[1,2],[3]],[0,0]]}]}',
               "ShapeMismatch", "ragged"),
    "deep-list": (b'{"layers": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "ResourceLimit", "nested"),
    "deep-object": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "ResourceLimit", "nested"),
    "many-levels": (b'{"in_shape":[null,1],"layers":[{"type":"dense","shape":[null,1],"weights":['
                    + b"[" * 80 + b"]" * 80 + b"]}]}", "ShapeMismatch", "layers[0].weights[0]"),
}  # fmt: skip


def refused(path, error, *words, **keys):
    with pytest.raises(errors.RtfxError) as caught:
        load(path, **keys)
    message = str(caught.value)
    assert type(caught.value).__name__ == error, message
    assert str(path) in message and "\n" not in message and len(message) < 500, message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("name", CONTENT)
def test_content(tmp_path, name):
    content, error, words = CONTENT[name]
    path = tmp_path / "model.json"
    path.write_bytes(content)
    refused(path, error, words)


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"  "], ids=["byte-order-mark", "blanks"])
def test_harmless_beginnings(tmp_path, start):
    path = tmp_path / "model.json"
    path.write_bytes(start + GOOD)
    assert load(path).recurrent


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "model.json"
    for length in range(0, len(GOOD), max(1, len(GOOD) // 97)):
        path.write_bytes(GOOD[:length])
        with pytest.raises(errors.NotAModelFile):
            load(path)


def test_missing_file_and_folders(tmp_path):
    refused(tmp_path / "absent.json", "NotAModelFile", "no such model")
    refused(tmp_path, "NotAModelFile", "a folder")
    (tmp_path / "config.json").write_text('{"version": "0.4.0", "architecture": "Linear", "config": {}}')
    with pytest.raises(errors.MissingKey, match=r"no weights\.npy beside it"):
        load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    refused(tmp_path / "pipe.json", "NotAModelFile", "a named pipe, expected a model file")
    (tmp_path / "link.json").symlink_to(tmp_path / "pipe.json")
    refused(tmp_path / "link.json", "NotAModelFile", "a named pipe, expected a model file")


@pytest.mark.skipif(not os.path.exists("/proc/kmsg"), reason="this system has no /proc/kmsg")
def test_a_file_of_the_kernel_is_not_waited_for(tmp_path):
    """Its kind is that of an ordinary file, yet reading it waits for the kernel's next message."""
    refused(Path("/proc/kmsg"), "NotAModelFile", "a file of the system, expected a model file")
    (tmp_path / "link.json").symlink_to("/proc/kmsg")
    refused(tmp_path / "link.json", "NotAModelFile", "a file of the system, expected a model file")


def test_a_file_too_large_is_not_parsed(tmp_path):
    path = tmp_path / "large.json"
    with open(path, "wb") as file:
        file.truncate(values.FILE_BYTES + 10)
    refused(path, "ResourceLimit", str(values.FILE_BYTES), str(values.FILE_BYTES + 10))


LARGE = {
    "width": (network(10**9, layer("prelu", 10**9, [[[0.1]]])), "1000000000, at most 4096"),
    "declared-width": (network(1, dense(RNG, 1, 1, shape=[None, 10**12])), "1000000000000, at most 4096"),
    "dilation": (network(1, conv1d(RNG, 1, 1, taps=2, dilation=2**31)), f"{2**31 + 1}, at most 1048576"),
    "layers": (network(1, *[layer("activation", 1, activation="tanh")] * 5000), "4097, at most 4096"),
    "history": (
        network(1, dense(RNG, 1, 64), conv1d(RNG, 64, 1, taps=2, dilation=10**6)),
        "64000000, at most 33554432",
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_sizes_are_bounded_before_anything_is_allocated(tmp_path, name):
    data, words = LARGE[name]
    path = write(tmp_path, data)
    tracemalloc.start()
    try:
        refused(path, "ResourceLimit", words)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_integers_of_thousands_of_digits_are_named_shortly(tmp_path):
    long = 10**4000
    net = network(1, dense(RNG, 1, 1)) | {"in_shape": [None, None, long, long]}
    refused(write(tmp_path, net), "ResourceLimit", "2^26575 or more, at most 4096")
    refused(write(tmp_path, network(1, conv1d(RNG, 1, 1, taps=2, groups=long))), "ShapeMismatch", "do not divide")


def test_an_embedded_newline_stays_on_one_line(tmp_path):
    data = network(2, gru(RNG, 2, 6), dense(RNG, 6, 3), in_skip=1, metadata={"name": "a\nb" * 1000})
    refused(write(tmp_path, data), "ShapeMismatch", "equal widths", inputs="channels")
