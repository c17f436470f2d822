"""The operating system and the process: disk, cache, downloads, threads, signals, progress."""
