"""Mining by discriminative patches: Doersch et al. 2012, the method before diffusion models."""
