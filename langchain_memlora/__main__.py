"""Runs the command: `python -m langchain_memlora` is `memlora`; `accelerate launch -m` starts it on several GPUs."""

from langchain_memlora.cli import main

main()
