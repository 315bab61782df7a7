"""The memory as callers use it: `MemLoRAMemory`, the view of one user, and what builds, writes and checks them."""
