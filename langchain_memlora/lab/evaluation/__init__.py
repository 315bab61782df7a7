"""Quality of facts, decisions and answers: data sets, metrics, judges, statistics and reports.

Cost and robustness (time, memory, faults) are measured by `benchmarks/` in the repository.
"""

from langchain_memlora.lab.evaluation.ask import ReaderLimits
from langchain_memlora.lab.evaluation.benchmark import Benchmark
from langchain_memlora.lab.evaluation.calibration import calibrate
from langchain_memlora.lab.evaluation.components import evaluate_extraction, evaluate_updates
from langchain_memlora.lab.evaluation.conversations import AnnotatedFact, AnnotatedQuestion, Conversation
from langchain_memlora.lab.evaluation.judge import Judge, judge_run
from langchain_memlora.lab.evaluation.setups import SETUPS, Setup

__all__ = [
    "SETUPS",
    "AnnotatedFact",
    "Benchmark",
    "Conversation",
    "Judge",
    "AnnotatedQuestion",
    "ReaderLimits",
    "Setup",
    "calibrate",
    "evaluate_extraction",
    "evaluate_updates",
    "judge_run",
]
