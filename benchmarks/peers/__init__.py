"""Comparison with peers: the same messages added, the same questions asked, in turns, on one machine."""
