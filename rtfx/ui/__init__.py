"""A player's session in a terminal: keys in, a live page out."""
