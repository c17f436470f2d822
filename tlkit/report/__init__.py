"""Everything that is drawn or written for people: reports, pictures, predictions, the comparison of runs."""
