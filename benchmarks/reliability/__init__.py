"""Reliability tests: kills, faults, concurrency, tenant isolation, malformed model output, hostile texts.

Each module injects one kind, counts attempts and losses, and can be run alone; `__main__` runs all and records the counts for
`docs/reliability.md`.
"""
