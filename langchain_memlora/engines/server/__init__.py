"""The engine whose experts run on a server that speaks OpenAI's protocol."""

from langchain_memlora.engines.server.engine import ServerEngine

__all__ = ["ServerEngine"]
