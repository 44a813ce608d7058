"""A surface that keeps the state of a stream."""

from rtfx.live.feed import merged


class Mirror:
    """A surface that keeps a copy of the state from the differences that it gets."""

    def __init__(self, stream, meters=False):
        self.state, self.told, self.meters = {}, [], []
        self.end = stream.subscribe(self, meters)

    def __call__(self, difference):
        self.meters += [difference.pop("meters")] if "meters" in difference else []
        if difference:
            self.told.append(difference)
            self.state = merged(self.state, difference)
