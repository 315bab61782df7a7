"""Scripted conversations, and what plays them through a memory."""
