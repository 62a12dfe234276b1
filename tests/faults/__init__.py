"""What may go wrong outside of the program: kills, a full disk, a folder that is shared."""
