"""What is learned with labels on top of the encoders: heads, few-shot, fine-tuning."""
