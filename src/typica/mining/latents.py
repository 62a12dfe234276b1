"""What training reads of every picture, computed once and kept in one flat file.

Of a Stable Diffusion codec that is the mean and the standard deviation of the posterior, in half
precision, so that every step can sample it anew without the encoder. Of the small model, whose
codec costs nothing, it is the picture at its working size, in bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ..errors import DAMAGE, DataError, RunError
from ..files import write_json
from ..images.loading import load_pixels
from ..images.picture import Picture
from ..images.sizes import working_size
from .codec import Codec, VaeCodec
from .pixels import to_tensor

__all__ = ["CACHE_FILE", "LatentCache", "discard_latents"]

CACHE_FILE = "pictures.bin"
"""Name of the flat file."""
_NOTE_FILE = "pictures.json"

_TOGETHER = 8
"""Pictures of one shape that are encoded at a time."""
_FLUSH = 64
"""Pictures between two notes of how far the file is filled."""


class LatentCache:
    """The pictures of a training, ready to be read at random.

    Arguments:
        folder: Where the file is kept; made if needed.
        pictures: In a fixed order.
        codec: Of the denoiser.
        size: Short side in pixels.
        flip: Also keep the mirrored picture: the latent of a mirrored picture is not the mirrored
            latent.
        key: Whatever else decides the contents; a file of another key is made anew.
    """

    def __init__(
        self,
        folder: Path,
        pictures: Sequence[Picture],
        codec: Codec,
        size: int,
        flip: bool,
        key: dict[str, Any],
    ) -> None:
        self.pictures, self.codec, self.size = tuple(pictures), codec, size
        self.encoded = isinstance(codec, VaeCodec)
        self.sides = 2 if flip and self.encoded else 1
        self.file, self._note = folder / CACHE_FILE, folder / _NOTE_FILE
        self.kind = np.dtype(np.float16 if self.encoded else np.uint8)
        factor = codec.factor
        self.shapes = []  # in cells
        for picture in self.pictures:
            width, height = working_size(picture.width, picture.height, size, factor)
            self.shapes.append((height // factor, width // factor))
        inner = self.sides * 2 * codec.channels if self.encoded else codec.channels
        counts = [h * w * inner for h, w in self.shapes]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._key = {**key, "size": size, "factor": factor, "sides": self.sides}
        self._key |= {"encoded": self.encoded, "values": int(self._starts[-1])}
        self.skipped: dict[int, str] = {}
        self._done = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._read_note()
        length = max(1, int(self._starts[-1]))
        try:
            # a file that was cut short would be filled up with zeros, unnoticed
            whole = self.file.exists() and (self.file.stat().st_size == length * self.kind.itemsize)
            fresh = self._done == 0 or not whole
            if fresh:
                _take_room(self.file, length * self.kind.itemsize)
            self._values: NDArray[Any] = np.memmap(
                self.file,
                dtype=self.kind,
                mode="r+",
                shape=(length,),
            )
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.file}: cannot be made or read ({error}). Make room on the disk (it needs "
                f"{length * self.kind.itemsize / 1e6:.0f} MB), or delete it."
            ) from error
        if fresh:
            self._done, self.skipped = 0, {}

    def _read_note(self) -> None:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if note["key"] == self._key:
                self._done = int(note["done"])
                self.skipped = {int(i): str(why) for i, why in note["skipped"].items()}
        except DAMAGE:
            self._done = 0

    def _write_note(self, done: int) -> None:
        self._values.flush()  # type: ignore[attr-defined]
        self._done = done
        write_json(self._note, {"key": self._key, "done": done, "skipped": self.skipped})

    def __len__(self) -> int:
        return len(self.pictures)

    def fill(
        self, device: torch.device, signals: Sequence[int] = (), show_progress: bool = True
    ) -> bool:
        """Compute what is missing; what cannot be read is noted in `skipped`.

        Arguments:
            device: Where the codec is.
            signals: Stops when it is no longer empty.
            show_progress: Show a bar on standard error.

        Returns:
            Whether it is complete; otherwise call it again.
        """
        left = len(self) - self._done
        if not left:
            return True
        bar = tqdm(total=left, unit="picture", desc="reading", disable=not show_progress)
        i = self._done
        while i < len(self):
            if signals:
                break
            end = i + 1
            while end < min(len(self), i + _TOGETHER) and self.shapes[end] == self.shapes[i]:
                end += 1
            self._compute(range(i, end), device)
            bar.update(end - i)
            if end // _FLUSH > i // _FLUSH:
                self._write_note(end)
            i = end
        bar.close()
        self._write_note(i)
        return i == len(self)

    def _compute(self, which: range, device: torch.device) -> None:
        read = {}
        for i in which:
            try:
                read[i] = load_pixels(self.pictures[i], self.size, self.codec.factor)
            except DataError as error:
                self.skipped[i] = str(error)
        if not read:
            return
        found: Sequence[NDArray[Any]] = list(read.values())
        if isinstance(self.codec, VaeCodec):
            pixels = to_tensor(list(read.values())).to(device)
            both = [self.codec.moments(pixels)]
            if self.sides == 2:
                both.append(self.codec.moments(pixels.flip(-1)))
            found = list(torch.cat(both, dim=1).cpu().half().numpy())
        for i, values in zip(read, found, strict=True):
            self._values[self._starts[i] : self._starts[i + 1]] = values.reshape(-1)

    def _of(self, i: int) -> NDArray[Any]:
        values: NDArray[Any] = self._values[self._starts[i] : self._starts[i + 1]]
        return values

    def latent(
        self, i: int, top: int, left: int, side: int, flip: bool, noise: Tensor | None
    ) -> Tensor:
        """The latent of a square of a picture.

        Arguments:
            i: Which picture, not one of `skipped`.
            top: First row, in cells.
            left: First column, in cells.
            side: In cells.
            flip: Mirror the picture (the square lies in the mirrored one).
            noise: Standard normal `(channels, side, side)` to sample the posterior with; None
                takes its mean.

        Returns:
            `(channels, side, side)`, float32.
        """
        h, w = self.shapes[i]
        rows, columns = slice(top, top + side), slice(left, left + side)
        channels, factor = self.codec.channels, self.codec.factor
        if self.encoded:
            stored = self._of(i).reshape(self.sides, 2, channels, h, w)
            mean, deviation = torch.from_numpy(
                stored[int(flip and self.sides == 2)][:, :, rows, columns].astype(np.float32)
            )
            return mean if noise is None else mean + deviation * noise
        pixels = self._of(i).reshape(h * factor, w * factor, 3)
        if flip:
            pixels = pixels[:, ::-1]
        part = pixels[top * factor : (top + side) * factor, left * factor : (left + side) * factor]
        latent: Tensor = self.codec.encode(to_tensor([np.array(part)]))[0]
        return latent

    def delete(self) -> None:
        """Remove the file: it can be made again."""
        del self._values
        discard_latents(self.file.parent)


def discard_latents(folder: Path) -> None:
    """Remove what a cache left in a folder, and the folder, if nothing else is in it."""
    for name in (CACHE_FILE, _NOTE_FILE):  # the large one first: it says that training goes on
        (folder / name).unlink(missing_ok=True)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def _take_room(path: Path, size: int) -> None:
    """An empty file of this size whose place on the disk is taken.

    Without it the first write for which there is no room would kill the process: a file that is
    mapped into memory knows no other way to say so.
    """
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
