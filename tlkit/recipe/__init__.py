"""Recipes: reading, checking, overriding and listing them. Imports nothing heavy."""
