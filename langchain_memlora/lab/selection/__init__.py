"""Candidates for a bundle, scored through the whole pipeline."""
