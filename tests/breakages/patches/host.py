"""Ways to break rtfx in rtfx/host."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "a recording whose header is written only at its end",
        "rtfx/host/growing.py",
        "        self.frames += done // size\n        self._put(0, self._header())",
        "        self.frames += done // size",
        "tests/host/test_recorder.py::test_the_file_opens_at_every_moment[wav]",
        same_code=True,
    ),
    Breakage(
        "a removed recording left to the dead",
        "rtfx/host/recorder.py",
        "        if not self._file.lost:",
        "        if True:",
        "tests/host/test_recorder.py::test_a_removed_folder_comes_back_with_all_of_the_recording[wav]",
        same_code=True,
    ),
    Breakage(
        "another card taken in place of the one that was lost",
        "rtfx/host/again.py",
        'ALSA_CARD.sub("", d.name) == ALSA_CARD.sub("", device.name)]',
        "True]",
        "tests/control/test_reconnect.py::test_unplugged_and_plugged_in_elsewhere",
        same_code=True,
    ),
    Breakage(
        "a device opened a second time while its stream may come alive",
        "rtfx/host/portaudio.py",
        "return self.close()",
        "return self.close() or True",
        "tests/control/test_reconnect.py::test_a_stream_that_does_not_close_is_not_opened_twice",
        same_code=True,
    ),
    Breakage(
        "a rate that has changed taken for the old one",
        "rtfx/host/portaudio.py",
        "if self._rate_now() != self.sample_rate:",
        "if False:",
        "tests/control/test_reconnect.py::test_a_rate_that_the_server_changes",
        same_code=True,
    ),
    Breakage(
        "PortAudio ended under a stream that hangs",
        "rtfx/host/route.py",
        "if not left_behind:",
        "if True:",
        "tests/host/test_devices.py::test_portaudio_is_not_ended_under_a_stream_that_hangs",
        same_code=True,
    ),
]
