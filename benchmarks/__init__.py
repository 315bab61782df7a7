"""Cost and robustness: time, memory, growth and behaviour under faults, of this package and of its peers.

Quality (how good facts, decisions and answers are) is measured by `langchain_memlora.lab.evaluation`.
"""
