"""Checking files: what a training run would stumble over, found before its first step."""
