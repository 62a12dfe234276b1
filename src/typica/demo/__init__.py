"""The demo: a text, a font and the lines rendered from them."""
