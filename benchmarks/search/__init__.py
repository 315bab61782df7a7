"""How well searches find the evidence of questions: each stage on and off, and what a threshold on scores does."""
