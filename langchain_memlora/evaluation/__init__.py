"""How good it is: data sets, metrics, judges, statistics and reports."""

from langchain_memlora.evaluation.ask import Reading
from langchain_memlora.evaluation.benchmark import Benchmark
from langchain_memlora.evaluation.calibration import calibrate
from langchain_memlora.evaluation.components import evaluate_extraction, evaluate_updates
from langchain_memlora.evaluation.conversations import AnnotatedFact, Conversation, Question
from langchain_memlora.evaluation.judge import Judge, judge_run
from langchain_memlora.evaluation.setups import SETUPS, Setup

__all__ = [
    "SETUPS",
    "AnnotatedFact",
    "Benchmark",
    "Conversation",
    "Judge",
    "Question",
    "Reading",
    "Setup",
    "calibrate",
    "evaluate_extraction",
    "evaluate_updates",
    "judge_run",
]
