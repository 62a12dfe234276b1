"""typica: learn a generative model of an image collection, then read the model."""

__version__ = "0.1.0"
