#!/usr/bin/env bash
# From raw chats to experts of your own, in one file:
# chats -> teacher -> rows -> three adapters -> a bundle -> MemLoRAMemory(experts=...).
#
#   TEACHER=openai:gpt-4.1-mini bash examples/train_your_own.sh my-chats.jsonl     # any provider:model LangChain knows
#   TINY=1 bash examples/train_your_own.sh                                         # about a minute, no teacher needed
#
# An interrupted run continues when started again: no reply is paid for twice, no training step is lost.
# WORK: the folder of all files (runs/train_your_own). BASE: a causal LM, as folder or hub id (default: the package's own).
# PYTHON: the Python that has langchain-memlora[train] (default: .venv/bin/python if it is there).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$(test -x "$here/../.venv/bin/python" && echo "$here/../.venv/bin/python" || echo python3)}
memlora() { "$python" -c "from langchain_memlora.cli import main; main()" "$@"; }
chats=${1:-$here/train_your_own_chats.jsonl}
work=${WORK:-runs/train_your_own}
recipe=()
mkdir -p "$work"

if [ "${TINY:-}" = 1 ]; then
  echo "TINY: a random model of a few thousand weights, and a teacher that reads its replies from a file."
  echo "TINY: this shows that the steps work together. It shows nothing about quality: the experts produce nonsense."
  TEACHER=script:$here/train_your_own_replies.jsonl
  BASE=$work/tiny-base
  recipe=(--epochs 2 --batch 2)
  test -e "$BASE/config.json" || "$python" - "$BASE" "$chats" <<'PYTHON'
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder, chats = sys.argv[1:]
words = Tokenizer(models.BPE())
words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
specials = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
trainer = trainers.BpeTrainer(
    vocab_size=1000, special_tokens=specials, initial_alphabet=words.pre_tokenizer.alphabet(), show_progress=False
)
words.train_from_iterator(Path(chats).read_text().splitlines(), trainer)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token=specials[0], eos_token=specials[2])
tokenizer.chat_template = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
torch.manual_seed(0)
shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, eos_token_id=2, pad_token_id=0, **shape)
LlamaForCausalLM(config).save_pretrained(folder)
tokenizer.save_pretrained(folder)
PYTHON
fi
: "${TEACHER:?Name a teacher, like TEACHER=openai:gpt-4.1-mini, or set TINY=1}"

echo "== 1. The teacher reads the chats"
memlora distil "$chats" --teacher "$TEACHER" --out "$work/distilled"

echo "== 2. One adapter for each role"
for role in extraction memory_update generation; do
  base=()
  test -e "$work/student/card.json" || base=(${BASE:+--base "$BASE"})
  memlora train "$role" --rows "$work/distilled/rows/$role.jsonl" --data "my own chats" \
    --bundle "$work/student" --work "$work/training" ${base[@]+"${base[@]}"} ${recipe[@]+"${recipe[@]}"}
done

echo "== 3. The bundle"
rm -rf "$work/bundle"
memlora bundle "$work/bundle" --name my-experts --licence "${LICENCE:-unknown}" \
  --extraction "$work/student" --memory-update "$work/student" --generation "$work/student"

echo "== 4. A memory that uses it"
"$python" - "$work" <<'PYTHON'
import sys
from datetime import UTC, datetime
from pathlib import Path

from langchain_memlora import MemLoRAMemory

work = Path(sys.argv[1])
with MemLoRAMemory(path=work / "memory", experts=work / "bundle") as memory:
    observed_at = datetime(2024, 8, 1, 12, tzinfo=UTC)
    result = memory.add("I work at a bakery in Leipzig.", user_id="me", observed_at=observed_at, thread_id="today")
    print("add:", result.status, [operation.after for operation in result.operations])
    answer = memory.answer("Where do I work?", user_id="me")
    print("answer:", repr(answer.text))
    print("read from:", [hit.text for hit in answer.hits])
PYTHON
