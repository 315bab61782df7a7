"""Preparation of requests with pictures for a vision-language model, with its processor.

Of the two image backends of processors, the one on Pillow images is used, since torchvision has no build for every build of
torch. It is loaded with the first picture, so text alone costs what it costs on a language model.
"""

from __future__ import annotations

import functools
import inspect
import io
import re
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from langchain_memlora.engines.base import Request
from langchain_memlora.errors import EngineError, ModelError, PromptTooLongError

LANGUAGE_TOWER = r".*\.(?:text_model|language_model)\.(?:.*\.)?(?:{})"


def language_targets(*layers: str) -> str:
    """Return a pattern for LoRA's `target_modules` that matches layers of the language tower, and none of the vision tower.

    Args:
        layers: Names of linear layers. Most vision towers use the same names.

    Example:
        ```python
        import re
        from langchain_memlora.engines.vision_models import language_targets

        pattern = language_targets("q_proj", "v_proj")
        assert re.fullmatch(pattern, "model.language_model.layers.0.self_attn.q_proj")
        assert not re.fullmatch(pattern, "model.vision_tower.encoder.layers.0.self_attn.q_proj")
        ```
    """
    return LANGUAGE_TOWER.format("|".join(layers))


class VisionProcessor:
    """The processor of a vision-language base model.

    Args:
        source: Folder or hub id of the base model.
        limit: Number of tokens it can read and write together; `None` for any number.
    """

    def __init__(self, source: str, limit: int | None) -> None:
        self._source = source
        self._limit = limit

    @functools.cached_property
    def processor(self) -> Any:
        """The processor, loaded at first use, with the backend that needs no torchvision.

        Raises:
            ModelError: It can't be read.
        """
        try:
            processor = _load(self._source)
        except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
            msg = f"The processor of {self._source} can't be loaded ({error!s:.300}). Restore the folder, or use another base."
            raise ModelError(msg) from error
        processor.tokenizer.padding_side = "left"
        return processor

    def inputs(self, requests: Sequence[Request], endings: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Return token ids, attention mask and pixels of requests that all have pictures, padded on the left.

        Args:
            endings: Text appended to each prompt: the targets, for training.

        Raises:
            EngineError: A picture can't be read.
            PromptTooLongError: A prompt, its pictures and what may be written do not fit into the model.
        """
        texts = [self.text(request) for request in requests]
        texts = [text + ending for text, ending in zip(texts, endings, strict=True)] if endings else texts
        try:
            images = [[Image.open(io.BytesIO(data)).convert("RGB") for data in request.images] for request in requests]
        except OSError as error:
            msg = f"A picture can't be read ({error!s:.200}). Pass what `langchain_memlora.intake.as_picture` returns."
            raise EngineError(msg) from error
        inputs = self.processor(text=texts, images=images, padding=True, return_tensors="pt")
        for request, length in zip(requests, inputs["attention_mask"].sum(-1).tolist(), strict=True):
            needed = 1 if request.choices else request.max_tokens
            if self._limit is not None and length > self._limit - needed:
                msg = (
                    f"The prompt and its pictures have {length} tokens, but with {needed} to write {self._source} reads at "
                    f"most {self._limit - needed}. Pass fewer pictures or a shorter prompt."
                )
                raise PromptTooLongError(msg)
        return {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}

    def text(self, request: Request) -> str:
        """Return the prompt in the model's own template, up to where the model begins to write.

        Control tokens in the prompt are removed.
        """
        control = sorted(self.processor.tokenizer.get_added_vocab(), key=len, reverse=True)
        prompt = re.sub("|".join(map(re.escape, control)) or "(?!)", "", request.prompt)
        content = [*({"type": "image"} for _ in request.images), {"type": "text", "text": prompt}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )


def _load(source: str) -> Any:
    """Load a processor for still pictures. Those that also take videos can't be loaded whole without torchvision."""
    base: Any = PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(source))]
    if "video_processor" not in base.get_attributes():
        return base.from_pretrained(source)
    stored, _ = base.get_processor_dict(source)
    accepted = inspect.signature(base.__init__).parameters
    options = {key: value for key, value in stored.items() if key in accepted and key not in base.get_attributes()}
    tokenizer = AutoTokenizer.from_pretrained(source)
    options["chat_template"] = options.get("chat_template") or tokenizer.chat_template
    return type(base.__name__, (_NoVideoMixin, base), {})(
        image_processor=AutoImageProcessor.from_pretrained(source, backend="pil"),
        tokenizer=tokenizer,
        video_processor=None,
        **options,
    )


class _NoVideoMixin:
    """Lets a processor omit its video part, whose class can't be imported without torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        if argument_name != "video_processor":
            return super().check_argument_for_proper_class(argument_name, argument)  # type: ignore[misc]
        return None
