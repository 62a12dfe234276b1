"""Patch scores of an image-text model, as a baseline that needs no training (FACTS section 10)."""
