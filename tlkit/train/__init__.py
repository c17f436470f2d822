"""Training: phases, epochs and steps, checkpoints, and the proof that frozen weights stayed frozen."""
