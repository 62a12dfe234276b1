"""Reports: one self-contained page per result. Layout only, no computation and no model."""
