"""The memory as callers use it: `MemLoRAMemory`, the view of one user, and what builds, writes and checks them."""

from langchain_memlora.errors import moved_names

__getattr__ = moved_names(__name__, {"MemLoRAMemory": "langchain_memlora.MemLoRAMemory"})
