"""Tests of rtfx/rig."""
