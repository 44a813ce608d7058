"""Tests of rtfx/model."""
