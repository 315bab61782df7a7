"""A Llama in OpenVINO's operations: integer weights, LoRA as inputs, keys and values as state.

The graph is built here rather than converted from torch, so that neither building nor running it needs torch. Projections
of the same input are one matrix (query, key and value; gate and up), because at this size the time of a step grows with the
number of operations. One graph serves every expert: the two factors of each LoRA are inputs, which an inference request
keeps from call to call, so that choosing an expert is setting them.

Inputs, for a batch of B rows of S new tokens after P old ones, hidden size D, head size H:

| name | shape | content |
|---|---|---|
| `embeddings` | B, S, D | the embeddings of the new tokens |
| `mask` | B, 1, S, P+S | 0 where a token attends to another, else a large negative number |
| `cos`, `sin` | B, 1, S, H | rotation of the positions |
| `beams` | B | the row of the state that each row continues |
| `kept` | K | the new tokens whose logits are computed, by index |
| `<projection>.a`, `<projection>.b` | R, in and out, R | LoRA of rank R, its scale in `b` |

The output `logits` is B, K, vocabulary. Source of the architecture: https://arxiv.org/abs/2302.13971.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from openvino import Model, Node, PartialShape, Type
from openvino import opset13 as ops

BLOCK = 32
Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Shape:
    """The part of a Llama's configuration that determines its graph."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head: int
    epsilon: float
    tied: bool

    @property
    def fused(self) -> dict[str, tuple[str, ...]]:
        """The fused projections of a layer, by name, with the modules of each, in order."""
        return {
            "self_attn.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            "self_attn.o": ("self_attn.o_proj",),
            "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
            "mlp.down": ("mlp.down_proj",),
        }

    def size(self, module: str) -> tuple[int, int]:
        """Return the number of outputs and of inputs of a projection."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        return {
            "self_attn.q_proj": (queries, self.hidden),
            "self_attn.k_proj": (keys, self.hidden),
            "self_attn.v_proj": (keys, self.hidden),
            "self_attn.o_proj": (self.hidden, queries),
            "mlp.gate_proj": (self.intermediate, self.hidden),
            "mlp.up_proj": (self.intermediate, self.hidden),
            "mlp.down_proj": (self.hidden, self.intermediate),
        }[module]


def build(tensors: Tensors, shape: Shape, *, quantize: bool) -> Model:
    """Build a Llama's graph.

    Args:
        tensors: Weights by their names in a Hugging Face checkpoint.
        quantize: Weights as 8-bit integers in blocks, each with a scale and a zero; else float32.

    Raises:
        KeyError: A weight is missing.
    """
    return _Builder(tensors, shape, quantize).model()


class _Builder:
    def __init__(self, tensors: Tensors, shape: Shape, quantize: bool) -> None:
        self.tensors, self.shape, self.quantize = tensors, shape, quantize
        self.inputs: list[Any] = []
        self.sinks: list[Any] = []

    def model(self) -> Model:
        s = self.shape
        x = self.input("embeddings", [-1, -1, s.hidden])
        self.mask = self.input("mask", [-1, 1, -1, -1])
        self.cos = self.input("cos", [-1, 1, -1, s.head])
        self.sin = self.input("sin", [-1, 1, -1, s.head])
        self.beams = self.input("beams", [-1], Type.i32)
        kept = self.input("kept", [-1], Type.i32)
        self.empty = self.no_past(x)
        for layer in range(s.layers):
            name = f"model.layers.{layer}."
            x = ops.add(x, self.attention(self.norm(x, name + "input_layernorm"), name))
            x = ops.add(x, self.feed_forward(self.norm(x, name + "post_attention_layernorm"), name))
        x = ops.gather(x, kept, _ints(1)[0])
        head = self.weight("model.embed_tokens" if s.tied else "lm_head")
        logits = ops.matmul(self.norm(x, "model.norm"), head, False, True)
        logits.output(0).set_names({"logits"})
        return Model([ops.result(logits)], self.sinks, self.inputs, "llama")

    def input(self, name: str, shape: list[int], dtype: Type = Type.f32) -> Any:
        made = ops.parameter(PartialShape(shape), dtype, name)
        made.output(0).set_names({name})
        self.inputs.append(made)
        return made

    def norm(self, x: Node, name: str) -> Node:
        mean = ops.reduce_mean(ops.power(x, np.float32(2)), _ints(-1), keep_dims=True)
        scale = ops.divide(np.float32(1), ops.sqrt(ops.add(mean, np.float32(self.shape.epsilon))))
        return ops.multiply(ops.multiply(x, scale), ops.constant(self.tensors[name + ".weight"]))

    def attention(self, x: Node, layer: str) -> Node:
        s = self.shape
        counts = (s.heads, s.kv_heads, s.kv_heads)
        all_heads = self.by_head(self.project(x, layer, "self_attn.qkv"), sum(counts))
        query, key, value = ops.variadic_split(all_heads, _ints(1)[0], ops.constant(np.array(counts))).outputs()
        keys = self.remembered(self.rotated(key, s.kv_heads), layer + "key")
        values = self.remembered(value, layer + "value")
        attended = ops.scaled_dot_product_attention(
            self.rotated(query, s.heads), self.repeated(keys), self.repeated(values), self.mask
        )
        joined = ops.reshape(ops.transpose(attended, [0, 2, 1, 3]), [0, 0, s.heads * s.head], special_zero=True)
        return self.project(joined, layer, "self_attn.o")

    def feed_forward(self, x: Node, layer: str) -> Node:
        gate, up = ops.split(self.project(x, layer, "mlp.gate_up"), _ints(-1)[0], 2).outputs()
        return self.project(ops.multiply(ops.swish(gate), up), layer, "mlp.down")

    def project(self, x: Node, layer: str, name: str) -> Node:
        matrix = np.concatenate([self.tensors[f"{layer}{module}.weight"] for module in self.shape.fused[name]])
        a = self.factor(f"{layer}{name}.a", [-1, matrix.shape[1]])
        b = self.factor(f"{layer}{name}.b", [matrix.shape[0], -1])
        low = ops.matmul(ops.matmul(x, a, False, True), b, False, True)
        return ops.add(ops.matmul(x, self.stored(matrix), False, True), low)

    def factor(self, name: str, shape: list[int]) -> Node:
        return ops.convert(self.input(name, shape, factor_type(quantize=self.quantize)), Type.f32)

    def by_head(self, x: Node, heads: int) -> Node:
        return ops.transpose(ops.reshape(x, [0, 0, heads, self.shape.head], special_zero=True), [0, 2, 1, 3])

    def rotated(self, x: Any, heads: int) -> Node:
        half = self.shape.head // 2
        left, right = ops.variadic_split(x, _ints(-1)[0], ops.constant(np.array((half, half)))).outputs()
        turned = ops.concat([ops.multiply(right, np.float32(-1)), left], -1)
        return ops.add(ops.multiply(x, self.cos), ops.multiply(turned, self.sin))

    def no_past(self, x: Node) -> Node:
        batch = ops.gather(ops.shape_of(x), _ints(0), _ints(0)[0])
        shape = ops.concat([batch, ops.constant(np.array((self.shape.kv_heads, 0, self.shape.head)))], 0)
        return ops.broadcast(np.float32(0), shape)

    def remembered(self, new: Any, name: str) -> Node:
        """Return all keys or values so far, the new ones last, and keep them as state."""
        shape = PartialShape([-1, self.shape.kv_heads, -1, self.shape.head])
        past = ops.read_value(self.empty, name, Type.f32, shape)
        whole = ops.concat([ops.gather(past, self.beams, _ints(0)[0]), new], 2)
        self.sinks.append(ops.assign(whole, name))
        return whole

    def repeated(self, x: Node) -> Node:
        """Repeat each head of keys or values for each of its query heads."""
        s = self.shape
        if (times := s.heads // s.kv_heads) == 1:
            return x
        wide = ops.broadcast(ops.unsqueeze(x, _ints(2)), np.array((1, 1, times, 1, 1)), broadcast_spec="BIDIRECTIONAL")
        return ops.reshape(wide, [0, s.heads, -1, s.head], special_zero=True)

    def weight(self, module: str) -> Node:
        return self.stored(self.tensors[f"{module}.weight"])

    def stored(self, matrix: np.ndarray) -> Node:
        if not self.quantize:
            return ops.constant(np.ascontiguousarray(matrix))
        integers, zeros, scales = quantized(matrix)
        centred = ops.subtract(ops.convert(ops.constant(integers), Type.f32), ops.constant(zeros))
        return ops.reshape(ops.multiply(centred, ops.constant(scales)), np.array(matrix.shape), False)


def factor_type(*, quantize: bool) -> Type:
    """Return the dtype of LoRA inputs: bfloat16 beside 8-bit weights, since converting it at each step costs as much."""
    return Type.bf16 if quantize else Type.f32


def quantized(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantize a matrix to 8-bit integers in blocks along its rows: integers, and the zero and the scale of each block.

    The blocks are those of GGUF and the zeros are not integers, so that a base stored with 4 bits a weight is unchanged:
    255 steps are 17 for each of its 15.
    """
    out, width = matrix.shape
    blocks = matrix.reshape(out, -1, BLOCK if width % BLOCK == 0 else width)
    low, high = blocks.min(-1, keepdims=True), blocks.max(-1, keepdims=True)
    scales = np.where(high > low, (high - low) / 255, 1).astype(np.float32)
    integers = np.clip(np.rint((blocks - low) / scales), 0, 255)
    return integers.astype(np.uint8), (-low / scales).astype(np.float32), scales


def _ints(value: int) -> Any:
    return np.array([value])
