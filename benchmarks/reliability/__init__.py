"""What breaks memories, done to this one on purpose: kills, faults, contention, strangers, nonsense.

Each module breaks one thing, counts what it did and what was lost, and can be run alone; `__main__` runs all and writes the
counts that `docs/reliability.md` is generated from.
"""
