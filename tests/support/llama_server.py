"""A llama.cpp server with adapters (wheel `xllamacpp`): `python tests/support/llama_server.py PORT MODEL ADAPTER...`."""

import sys
import threading

import xllamacpp


def main(port: str, model: str, *adapters: str) -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames, parameters.port = ["127.0.0.1"], int(port)
    parameters.n_ctx, parameters.n_parallel = 4096, 1  # batches of several round differently
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        # Several wait for each other in a loop, which is a hundred times slower beside other processes.
        threads.n_threads = 1
    parameters.lora_init_without_apply = True
    parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(file, 0.0) for file in adapters]
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
