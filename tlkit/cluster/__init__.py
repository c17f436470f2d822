"""Work in many processes, on this machine or on several."""
