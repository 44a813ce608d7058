"""Takes: the last minute of a stream, kept, saved and rendered again bit for bit."""
