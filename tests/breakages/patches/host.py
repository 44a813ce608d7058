"""Ways to break rtfx in rtfx/host."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "a recording whose header is written only at its end",
        "        self.frames += done // size\n        self._put(0, self._header())",
        "        self.frames += done // size",
        "tests/host/test_recorder.py::test_the_file_opens_at_every_moment[wav]",
        same_code=True,
    ),
    Breakage(
        "a removed recording left to the dead",
        "        if not self._file.lost:",
        "        if True:",
        "tests/host/test_recorder.py::test_a_removed_folder_comes_back_with_all_of_the_recording[wav]",
        same_code=True,
    ),
    Breakage(
        "another card taken in place of the one that was lost",
        'ALSA_CARD.sub("", d.name) == ALSA_CARD.sub("", device.name)]',
        "True]",
        "tests/live/test_reconnect.py::test_unplugged_and_plugged_in_elsewhere",
        same_code=True,
    ),
    Breakage(
        "a device opened a second time while its stream may come alive",
        "return self.close()\n",
        "return self.close() or True\n",
        "tests/live/test_reconnect.py::test_a_stream_that_does_not_close_is_not_opened_twice",
        same_code=True,
    ),
    Breakage(
        "a rate that has changed taken for the old one",
        "float(info.sampleRate) if info else self.sample_rate",
        "self.sample_rate",
        "tests/live/test_reconnect.py::test_a_rate_that_the_server_changes",
        same_code=True,
    ),
    Breakage(
        "PortAudio ended under a stream that hangs",
        "        if not left_behind:\n            self._begin.set()",
        "        if True:\n            self._begin.set()",
        "tests/host/test_devices.py::test_portaudio_is_not_ended_under_a_stream_that_hangs",
        same_code=True,
    ),
    Breakage(
        "a monitor taken for as good an input as a guitar's",
        "monitor=True, fits_input=MONITOR)",
        "monitor=True, fits_input=CHOSEN)",
        "tests/host/test_jack_devices.py::test_the_default_input_is_a_real_one_if_there_is_one",
        same_code=True,
    ),
    Breakage(
        "a port taken by the name of its device, which two may have",
        'port.get("object.serial", port.get("object.id"))',
        'port.get("port.id")',
        "tests/host/test_jack_devices.py::test_two_cards_of_one_name_keep_their_ports",
        same_code=True,
    ),
    Breakage(
        "a latency below zero read as days",
        "if frames > LARGEST_LATENCY or",
        "if False or",
        "tests/host/test_jack_devices.py::test_a_latency_that_nobody_knows_is_none",
        same_code=True,
    ),
    Breakage(
        "a latency that PipeWire was not told taken for none",
        "(not frames and self.route == PIPEWIRE_ROUTE)",
        "False",
        "tests/host/test_jack_devices.py::test_a_latency_that_nobody_knows_is_none",
        same_code=True,
    ),
    Breakage(
        "the seconds of a latency spent on one way alone",
        "int(latency * sample_rate / 2.0)",
        "int(latency * sample_rate)",
        "tests/host/test_jack_devices.py::test_frames_of_a_latency",
    ),
    Breakage(
        "an output's monitor heard by a rig that plays there",
        'if source and source.key == f"{target.key}.monitor":',
        "if False:",
        "tests/host/test_choose.py::test_an_outputs_own_monitor_starts_muted",
        same_code=True,
    ),
]
