"""How a stage runs and writes: shards, workers, outputs, progress."""
