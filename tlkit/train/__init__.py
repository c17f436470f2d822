"""Training: the loop, its phases and the proof that frozen weights stayed frozen."""
