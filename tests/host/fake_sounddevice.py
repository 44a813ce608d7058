"""A stand-in for the sounddevice module: host APIs and devices from a short table."""


class PortAudioError(Exception):
    pass


class FakeSoundDevice:
    """`table` rows: name, host API, input channels, output channels, rates; an API's first is its default."""

    PortAudioError = PortAudioError

    def __init__(self, *table, no_default=()):
        self.table = [(*row, (44100, 48000))[:5] for row in table]
        self.apis = list(dict.fromkeys(row[1] for row in table))
        self.no_default = no_default

    def query_devices(self):
        return [
            {
                "name": name,
                "hostapi": self.apis.index(api),
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": float(rates[-1]),
                "default_low_input_latency": 0.003,
                "default_high_input_latency": 0.03,
                "default_low_output_latency": 0.004,
                "default_high_output_latency": 0.04,
            }
            for name, api, inputs, outputs, rates in self.table
        ]

    def query_hostapis(self):
        return [
            {
                "name": api,
                "devices": [i for i, row in enumerate(self.table) if row[1] == api],
                "default_input_device": self._default(api, 2),
                "default_output_device": self._default(api, 3),
            }
            for api in self.apis
        ]

    def _default(self, api, column):
        if api in self.no_default:
            return -1
        return next((i for i, row in enumerate(self.table) if row[1] == api and row[column]), -1)

    def check_output_settings(self, device, samplerate, dtype):
        if samplerate not in self.table[device][4]:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]", -9997)

    check_input_settings = check_output_settings
