"""Sensor signals: clocks, resampling, canonical poses and windows."""
