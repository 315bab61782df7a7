"""Dialects, in which experts are asked and answer: `spans` of own words, the compact `lines` and the paper's `json`."""

from langchain_memlora.experts.dialects.base import Ask, Dialect, ParsedExtraction
from langchain_memlora.experts.dialects.json import Json
from langchain_memlora.experts.dialects.lines import Lines
from langchain_memlora.experts.dialects.spans import Spans

DIALECTS: dict[str, type[Dialect]] = {dialect.name: dialect for dialect in (Spans, Lines, Json)}

__all__ = ["DIALECTS", "Ask", "Dialect", "Json", "Lines", "ParsedExtraction", "Spans"]
