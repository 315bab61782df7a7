"""The engine for experts on a server with OpenAI's protocol."""

from langchain_memlora.engines.server.engine import ServerEngine

__all__ = ["ServerEngine"]
