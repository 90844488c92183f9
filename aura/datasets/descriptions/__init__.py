"""Descriptions of classes, which an adapter gives as texts where `descriptions` asks for them."""
