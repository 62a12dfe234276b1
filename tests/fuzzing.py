"""Damage done on purpose: to bytes, to JSON values, to safetensors files; and what must hold then.

TYPICA_EXAMPLES says how many examples of every reader are tried; without it a few, always the same.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from typica.errors import TypicaError

try:
    import resource
except ImportError:  # not on this system
    resource = None

__all__ = [
    "as_json",
    "counted",
    "damaged",
    "damaged_json",
    "damaged_tensors",
    "examples",
    "put",
    "survives",
    "within",
]

_GIVEN = os.environ.get("TYPICA_EXAMPLES")
_SECONDS = 30
"""Longer than any reader needs for a small file on a busy machine: more is a hang."""

_MOST_MEMORY = 500_000
"""Kilobytes that reading a small file may add to what the process ever held."""
_EXECUTING = frozenset(
    {
        *("os.exec", "os.posix_spawn", "os.system", "pickle.find_class"),
        *("socket.connect", "socket.getaddrinfo", "subprocess.Popen"),
    }
)
"""Events of `sys.audit` that no reading of a file may cause."""
_OUTSIDE = ("secret.png", "etc/passwd")
"""How the names of files end that damaged files name, and that no reader may open."""

_tried: Counter[str] = Counter()
_watched: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None:
        return
    if event in _EXECUTING or (event == "open" and str(arguments[0]).endswith(_OUTSIDE)):
        _watched.append(f"{event} {arguments}")


sys.addaudithook(_watch)


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[None]:
    """Says, where TYPICA_EXAMPLES is given, how many damaged files every reader was given."""
    _tried.clear()
    yield
    if _GIVEN:
        print(f"\n{sum(_tried.values())} damaged files: {dict(_tried)}")


def examples(quick: int, share: float = 1.0) -> Any:
    """Settings of a test: a few examples, or as many as are asked for.

    Arguments:
        quick: How many without TYPICA_EXAMPLES, always the same ones.
        share: Of TYPICA_EXAMPLES, for readers that take long.
    """
    return settings(
        max_examples=max(1, round(int(_GIVEN) * share)) if _GIVEN else quick,
        derandomize=not _GIVEN,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )


class Hang(BaseException):
    """A reader that does not end; no `except Exception` may hide it."""


@contextlib.contextmanager
def within(seconds: int = _SECONDS) -> Iterator[None]:
    """Raise `Hang` if what is inside takes longer; only between two Python instructions."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no end after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def survives(name: str, reader: Callable[[], Any], place: Path | None = None) -> Any:
    """Run a reader: it gives a value, or one of our errors with a message; all else goes on up.

    It may not hang, take much memory, open what lies elsewhere, or start anything.

    Arguments:
        name: What is counted.
        reader: What to run.
        place: A folder; the message must name something in it.

    Returns:
        The value; None after an error.
    """
    global _watched
    _tried[name] += 1
    peak = _peak_memory()
    _watched = []
    try:
        with within():
            return reader()
    except TypicaError as error:
        message = str(error)
        assert len(message) > 20, f"a message that helps nobody: {message!r}"
        assert len(message) < 5000, "a message that nobody reads"
        assert place is None or str(place) in message, f"names no file: {message!r}"
        return None
    finally:
        done, _watched = _watched, None
        assert not done, done
        assert _peak_memory() - peak < _MOST_MEMORY


def _peak_memory() -> int:
    """The most memory that this process held so far, in kilobytes; 0 where it is not known."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


_STRINGS = (
    *("", " ", "x", "\0", "\ud800", "ſ", "e\u0301", "\u202e", "{label}", "%s", "nan", "1e999"),
    *("../secret.png", "/etc/passwd", "a/../../secret.png", "..\\secret.png", "~/x", "a" * 300),
    *("file:///etc/passwd", "http://127.0.0.1:9/x.png", "CON", "images", ".", "..", "a/b", "\n"),
)
_NUMBERS = (0, -1, 1, 2, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e-320, 1e308)
_STRANGE = (float("nan"), float("inf"), -float("inf"))
_OTHERS = (None, True, False)


def _deep() -> Any:
    value: Any = []
    for _ in range(900):
        value = [value]
    return value


def _nasty() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.sampled_from(_STRINGS),
        st.sampled_from((*_NUMBERS, *_STRANGE)),
        st.sampled_from(_OTHERS),
        st.builds(list),
        st.builds(dict),
        st.sampled_from([[0], [None], [[]], ["x", 1], [1e999], {"x": 1}, {"": None}]),
        st.builds(_deep),
        st.integers(),
        st.floats(),
        st.text(st.characters(codec=None), max_size=5),
    )


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value[:50])
    for key, inner in items:
        yield from _places(inner, (*at, key))


@st.composite
def damaged_json(draw: st.DrawFn, value: Any, most: int = 3) -> Any:
    """A plain nested value in which some parts are replaced, left out, renamed or repeated."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.sampled_from(list(_places(value))))
        if not place:
            value = draw(_nasty()) if draw(st.integers(0, 9)) == 0 else value
            continue
        holder = value
        for key in place[:-1]:
            holder = holder[key]
        what = draw(st.sampled_from(("replace", "replace", "replace", "remove", "rename")))
        if what == "replace":
            holder[place[-1]] = draw(_nasty())
        elif what == "remove":
            del holder[place[-1]]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(_STRINGS))] = holder.pop(place[-1])
        else:
            holder.append(holder[place[-1]])
    return value


def as_json(value: Any) -> bytes:
    """JSON that may hold what no careful program writes."""
    return json.dumps(value, ensure_ascii=True).encode()


@st.composite
def damaged(draw: st.DrawFn, data: bytes, most: int = 4) -> bytes:
    """Bytes of which some are changed, left out, repeated, inserted, or cut off at the end."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        if not found:
            break
        # the beginning of a file decides most
        near = draw(st.booleans())
        at = draw(st.integers(0, min(len(found), 200) - 1 if near else len(found) - 1))
        what = draw(st.sampled_from(("flip", "set", "insert", "remove", "repeat", "cut", "word")))
        if what == "flip":
            found[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "set":
            found[at] = draw(st.sampled_from((0, 0xFF, 0x7F, 0x80, 0x22, 0x3C, 0x2C, 0x0A)))
        elif what == "insert":
            found[at:at] = draw(st.binary(max_size=8))
        elif what == "remove":
            del found[at : at + draw(st.integers(1, 64))]
        elif what == "repeat":
            found[at:at] = found[at : at + draw(st.integers(1, 64))]
        elif what == "word":
            word = draw(st.sampled_from((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")))
            found[at : at + 4] = word
        else:
            del found[at:]
    return bytes(found)


@st.composite
def damaged_tensors(draw: st.DrawFn, data: bytes) -> bytes:
    """A safetensors file whose header, description, numbers or bytes are damaged."""
    what = draw(st.sampled_from(("header", "description", "description", "bytes", "length")))
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if what == "bytes":
        return draw(damaged(data))
    if what == "length":
        return (
            draw(st.sampled_from((0, 2**63, 2**64 - 1, 10**8, length * 9))).to_bytes(8, "little")
            + (data[8:])
        )
    if what == "description":
        about = json.loads(header["__metadata__"]["typica"])
        about = draw(damaged_json(about))
        header["__metadata__"]["typica"] = as_json(about).decode()
    else:
        name = draw(st.sampled_from(sorted(header.keys() - {"__metadata__"})))
        one = header[name]
        change = draw(st.sampled_from(("shape", "kind", "rename", "nasty", "numbers")))
        if change == "shape":  # as many numbers in another form
            size = 1
            for side in one["shape"]:
                size *= side
            one["shape"] = draw(st.sampled_from(([size], [1, size], [size, 1, 1], [0, 2**40])))
        elif change == "kind":
            same = {"F32": ("I32", "U32"), "I64": ("F64",), "I32": ("F32",), "F16": ("BF16",)}
            one["dtype"] = draw(st.sampled_from((*same.get(one["dtype"], ()), "F64", "Q9")))
        elif change == "rename":
            header[draw(st.sampled_from(("x", "", f"{name}.0")))] = header.pop(name)
        elif change == "numbers":
            first, last = one["data_offsets"]
            value = draw(st.sampled_from((b"\xff", b"\x7f", b"\0")))
            body = body[:first] + value * (last - first) + body[last:]
        else:
            header = draw(damaged_json(header))
    text = as_json(header)
    return len(text).to_bytes(8, "little") + text + body


def put(path: Path, data: bytes) -> None:
    """Write a damaged file."""
    path.write_bytes(data)
