"""Any chat model as the agent; the memory stays on this machine. Run: python examples/your_own_chat_model.py

    BASE_URL=http://localhost:11434/v1 MODEL=qwen3 python examples/your_own_chat_model.py    # Ollama, vLLM, llama.cpp, ...

Without BASE_URL a test server repeats the notes that it receives. With LangChain's package for your provider,
`init_chat_model("ollama:qwen3")` replaces `Server`.
"""

import json
import os
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import Request, urlopen

from langchain.agents import create_agent
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import convert_to_openai_messages

from langchain_memlora import MemLoRAMemory


class Server(SimpleChatModel):
    """A chat model behind an OpenAI-compatible server."""

    base_url: str
    model: str

    @property
    def _llm_type(self) -> str:
        return "server"

    def _call(self, messages, stop=None, run_manager=None, **kwargs) -> str:
        body = json.dumps({"model": self.model, "messages": convert_to_openai_messages(messages)}).encode()
        request = Request(f"{self.base_url}/chat/completions", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=120) as response:
            return json.load(response)["choices"][0]["message"]["content"]


class TestServer(BaseHTTPRequestHandler):
    """Answers with the notes that it receives."""

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        notes = [line for line in sent[0]["content"].splitlines() if line.startswith("- ")]
        self.send_response_only(200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": "My notes: " + " ".join(notes)}}]}).encode())


test_server = HTTPServer(("127.0.0.1", 0), TestServer)
threading.Thread(target=test_server.serve_forever, daemon=True).start()
base_url = os.environ.get("BASE_URL", f"http://127.0.0.1:{test_server.server_port}")
with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
    memory.warm()  # otherwise the first recall loads the embedder
    model = Server(base_url=base_url, model=os.environ.get("MODEL", "default"))
    agent = create_agent(model, middleware=[memory.as_middleware(user_id="ana")])
    for text in ("Hi! I live in Porto and I have a cat called Miso.", "What is my cat called?"):
        print(f"> {text}\n{agent.invoke({'messages': [('user', text)]})['messages'][-1].text}")
