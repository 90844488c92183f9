"""The edge: one module a stage, each with `run(params, …)`; Ray, files and DVC live here."""
