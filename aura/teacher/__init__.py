"""The frozen teacher, and what it sees: CLIP, sentence models and the frames of videos."""
