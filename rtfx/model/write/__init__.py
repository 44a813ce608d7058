"""Writes models in the formats that other players read, wherever a format has words for the architecture."""
