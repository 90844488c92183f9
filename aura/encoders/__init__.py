"""Encoders of sensor windows into the teacher's space, built by name from `params.yaml`."""
