"""Writing safetensors files ourselves: in one pass, without a second file beside the first.

The library writes to a file of its own naming and renames it. A kill would leave that one behind,
as large as the checkpoint, under a name that tells nobody whose it is.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["write_tensors"]

_NAMES = {
    torch.uint64: "U64",
    torch.int64: "I64",
    torch.float64: "F64",
    torch.complex64: "C64",
    torch.float32: "F32",
    torch.uint32: "U32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.uint16: "U16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What the format calls a type, in the order in which the library writes them: wide ones first."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors into a file; the same bytes as `safetensors.torch.save_file` writes.

    Arguments:
        path: The file; what is there is replaced, so give a temporary one.
        tensors: In main memory, contiguous.
        metadata: Kept beside them.

    Raises:
        KeyError: If the format has no name for a type.
        OSError: If it cannot be written.
    """
    place = {kind: number for number, kind in enumerate(_NAMES)}
    ordered = sorted(tensors.items(), key=lambda one: (place[one[1].dtype], one[0]))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    start = 0
    for name, tensor in ordered:
        end = start + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of their size
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, tensor in ordered:
            if tensor.numel():
                file.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
