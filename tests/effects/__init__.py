"""Tests of rtfx/effects."""
