"""Figures from embeddings: each a pure function."""
