"""Selection among trained adapters, by the score of the whole pipeline."""
