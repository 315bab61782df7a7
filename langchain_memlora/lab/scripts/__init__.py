"""Scripted conversations and their player."""
