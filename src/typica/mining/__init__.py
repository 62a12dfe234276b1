"""Mining typical visual elements with a conditional diffusion model (paper ch. 4)."""
