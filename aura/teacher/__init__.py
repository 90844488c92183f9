"""The frozen teacher, and what it sees: CLIP and the frames of videos."""
