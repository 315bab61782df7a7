"""Trains a small vision-language model and its vision expert on drawn shapes: `python -m benchmarks.vision` (`make vision`)."""
