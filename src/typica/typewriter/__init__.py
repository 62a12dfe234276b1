"""The learnable typewriter: one sprite per character, every line taken apart (paper ch. 3)."""
