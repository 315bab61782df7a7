"""Measurements of how well searches find the evidence of questions: each stage on and off, and thresholds on scores."""
