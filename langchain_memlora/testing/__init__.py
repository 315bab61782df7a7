"""Test doubles and conformance suites for code that uses this package."""

from langchain_memlora.testing.scripted import Script, ScriptedEngine

__all__ = ["Script", "ScriptedEngine"]
