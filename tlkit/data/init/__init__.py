"""``tlkit init``: survey a folder and write a first recipe for it."""
