"""Readers of published data sets: each turns one file format into `Conversation`s."""
