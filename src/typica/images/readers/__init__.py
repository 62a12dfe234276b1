"""Readers of picture collections, one module per format."""
