"""The memory as callers use it: `MemLoRAMemory`, the view of one user, their write path, components and health checks."""
