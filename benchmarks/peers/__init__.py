"""This package beside others: the same messages told, the same questions asked, in turns, on one machine."""
