"""`python -m langchain_memlora` is `memlora`; `accelerate launch -m langchain_memlora train ...` trains on several GPUs."""

from langchain_memlora.cli import main

main()
