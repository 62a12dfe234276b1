"""Fuzzing guided by coverage, with atheris: inputs that reach new branches are kept and changed.

    python -m tests.faults.guided             every reader in turn, FUZZ_SECONDS each
    python -m tests.faults.guided PAGE -runs=1000    one of them, with libFuzzer's options

Only readers whose branches are Python's are here: atheris does not see into libraries in C. What
must hold is what `fuzzing.survives` checks. atheris is needed by nothing else, so it is installed
by hand (`pip install atheris`).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))


def _targets(folder: Path) -> dict[str, tuple[list[bytes], Callable[[bytes], None]]]:
    """By name: bytes to start from, and what writes bytes to a file and reads it."""
    from .. import test_fuzz_readers as given
    from ..fuzzing import as_json, survives
    from ..run_files import RUN_FILES

    def target(
        name: str, seeds: list[bytes], file: str, read: Callable[[Path], object]
    ) -> tuple[list[bytes], Callable[[bytes], None]]:
        place = folder / name.replace(" ", "-").replace(".", "-").replace(":", "")
        place.mkdir()
        (place / "p.png").write_bytes(given._png())
        path = place / file

        def once(data: bytes) -> None:
            path.write_bytes(data)
            survives(name, lambda: read(path))

        return seeds, once

    found = {
        "annotation": target(
            "annotation",
            [as_json(given._ENTRIES), b'{"p.png": {"label": "ab"}}'],
            "annotation.json",
            lambda path: given._lines(path.parent),
        ),
        "glyphs": target(
            "glyphs",
            [as_json(given._GLYPHS)],
            "glyphs.json",
            lambda path: given.read_glyphs(path.parent),
        ),
        "PAGE": target("PAGE", [given._PAGE], "p.xml", lambda path: given._lines(path.parent)),
        "ALTO": target("ALTO", [given._ALTO], "p.xml", lambda path: given._lines(path.parent)),
        "CSV": target(
            "CSV", [given._CSV], "t.csv", lambda path: given._pictures(path.parent, path)
        ),
        "JSONL": target(
            "JSONL",
            [b"\n".join(map(as_json, given._JSONL))],
            "t.jsonl",
            lambda path: given._pictures(path.parent, path, several=True),
        ),
        "replacements": target(
            "replacements", [given._TABLE], "r.csv", lambda path: given.load_table(path, "NFC")
        ),
        "boxes": target("boxes", [given._BOXES], "b.csv", given.read_boxes),
        "criteria": target("criteria", [as_json(given._CRITERIA)], "c.json", given.read_criteria),
        "groups": target("groups", [given._GROUPS], "g.csv", given.read_group_table),
    }
    for name in ("config.json", "guide", "readings", "log", "samples", "translations"):
        place = folder / f"run-{name}"
        place.mkdir()
        file = RUN_FILES[name](place)

        def once(data: bytes, name: str = name, file: object = file) -> None:
            file.path.write_bytes(data)
            survives(name, file.read)

        found[name] = [file.path.read_bytes()], once
    return found


def _fuzz(name: str, options: list[str]) -> None:
    """Fuzz one reader in this process; does not come back."""
    import atheris

    with atheris.instrument_imports(include=["typica"]), tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        seeds, once = _targets(folder)[name]
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / f"{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, str(corpus)], once)
        atheris.Fuzz()


def main() -> int:
    """Fuzz what the command line asks for; 1 if something was found."""
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed, so nothing is fuzzed: pip install atheris")
        return 0
    if len(sys.argv) > 1:
        _fuzz(sys.argv[1], sys.argv[2:])
    with tempfile.TemporaryDirectory() as work:
        names = list(_targets(Path(work)))
    return max([_fuzz_aside(name) for name in names])


def _fuzz_aside(name: str) -> int:
    """Fuzz one reader in a process of its own; 1 if something was found."""
    with tempfile.TemporaryDirectory() as work:
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.guided", name, f"-max_total_time={_SECONDS}"],
            env={**os.environ, "TMPDIR": work},
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
    last = [row for row in done.stderr.splitlines() if row.startswith("Done")]
    print(f"{name}: {last[-1] if last else done.stderr[-4000:]}", flush=True)
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
