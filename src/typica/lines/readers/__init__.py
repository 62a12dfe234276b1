"""Readers of text-line collections, one module per format."""
