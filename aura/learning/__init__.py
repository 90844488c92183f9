"""What the encoders learn from, and how: batches, losses and the training loop."""
