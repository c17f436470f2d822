"""What is drawn: the report, its pages, pictures and curves, and the comparison of runs."""
