"""Writes models in the formats that other players read, where a format has a place for all that a model has."""
