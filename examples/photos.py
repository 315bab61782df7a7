"""Add photographs to a memory, close it, and ask about them after a restart. Run: python examples/photos.py

The photographs come with scikit-image, which must be installed. Here the album has captions of its own; with a vision expert
(`MemLoRAMemory(vision=...)`, see docs/vision.md) the last questions would be answered from the pixels.
"""

import io
import tempfile
from pathlib import Path

import skimage
from PIL import Image

from langchain_memlora import MemLoRAMemory
from langchain_memlora.intake import as_picture, read_picture

PHOTOS = Path(skimage.__file__).parent / "data"
ALBUM = {
    "chelsea.png": ("This is Chelsea, she is mine.", "a ginger cat looking up"),
    "coffee.png": ("I had breakfast at the new place.", "a cup of coffee on a wooden table"),
    "rocket.jpg": ("I watched this last night!", "a rocket standing on its launch pad in the dark"),
}
CAPTIONS = {as_picture(read_picture(PHOTOS / name)): caption for name, (_, caption) in ALBUM.items()}

with tempfile.TemporaryDirectory() as folder:
    with MemLoRAMemory(path=folder, captioner=CAPTIONS.__getitem__) as memory:
        for name, (text, _) in ALBUM.items():
            message = [{"type": "text", "text": text}, {"type": "image", "path": str(PHOTOS / name)}]
            for operation in memory.add({"role": "user", "content": message}, user_id="ana").operations:
                print(name, "|", operation.event, "|", operation.after)

    with MemLoRAMemory(path=folder, captioner=CAPTIONS.__getitem__) as memory:  # as after a restart
        for question in ("What did I watch last night?", "Which animal is Chelsea?"):
            answer = memory.answer(question, user_id="ana")
            seen = next((turn for hit in answer.hits for turn in hit.turns if turn.images), None)
            picture = memory.picture(seen.images[0], user_id="ana") if seen else b""
            size = Image.open(io.BytesIO(picture)).size if seen else "nothing"
            print(f"{question} -> {answer.text} (shown: {seen.captions[0] if seen else ''}, {size})")
