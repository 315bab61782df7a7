"""For tests of code that uses this package: an engine that needs no model."""

from langchain_memlora.testing.scripted import Script, ScriptedEngine

__all__ = ["Script", "ScriptedEngine"]
