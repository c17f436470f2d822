"""``tlkit sweep``: try values of a recipe's keys, each trial in a process and a run folder of its own."""
