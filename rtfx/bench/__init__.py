"""Measures how long models and single layers take, beside other programs; nothing here plays."""
