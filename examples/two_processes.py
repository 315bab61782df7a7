"""Two processes on one folder, with no server to start. Run: python examples/two_processes.py

The second process stands for an MCP server, the page, the command line or another agent. Each finds at once what the other
wrote, and either may be killed.
"""

import multiprocessing
import tempfile

from langchain_memlora import MemLoRAMemory

USER = "ana"


def texts(memory: MemLoRAMemory, question: str) -> list[str]:
    return [hit.memory.text for hit in memory.search(question, user_id=USER, include="memories")]


def serve(folder: str, calls) -> None:
    """Answer calls until the other process hangs up."""
    with MemLoRAMemory(path=folder) as memory:
        while call := calls.recv():
            verb, text = call
            if verb == "add":
                calls.send(
                    memory.add(text, user_id=USER, infer=False).status
                )  # word for word, so that no model is needed
            else:
                calls.send(texts(memory, text))


def main() -> None:
    processes = multiprocessing.get_context("spawn")  # a memory does not survive a fork
    calls, theirs = processes.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        other = processes.Process(target=serve, args=(folder, theirs))
        other.start()
        calls.send(("add", "I'm allergic to peanuts."))
        print("the other process adds a memory:", calls.recv())

        with MemLoRAMemory(path=folder) as memory:
            print("found here:", texts(memory, "What must I not eat?"))
            memory.add("My sister Lena lives in Graz.", user_id=USER, infer=False)
            calls.send(("search", "Where does Lena live?"))
            print("added here, found there:", calls.recv()[0])

            other.kill()
            other.join()
            memory.add("I play the accordion.", user_id=USER, infer=False)
            print("the other process was killed; found here:", sorted(texts(memory, "accordion, sister, allergies")))


if __name__ == "__main__":
    main()
