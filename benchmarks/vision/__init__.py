"""Trains a small vision-language model and its vision expert on drawn shapes (`make measure WHAT=vision`)."""
