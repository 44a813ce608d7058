"""Renders files: many at once, or one long file in pieces, over all cores."""
