"""Patch scores of an image-text model, as a baseline that needs no training."""
