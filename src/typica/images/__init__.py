"""Labelled picture collections: reading, checking, sizing, prompts."""
