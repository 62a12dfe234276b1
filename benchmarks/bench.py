"""Everything that fits in a quarter of an hour on two cores: one JSON, one page.

    python benchmarks/bench.py --out FOLDER [--minutes 2.5] [--mining-minutes 5]

Speed and memory of both instruments with the plain forms beside them, then the demo with shorter
times and its quality: character error rate and glyph boxes of the typewriter, and whether patches
that look like a mined element carry its label. `FOLDER` gets `bench.json`, `index.html` and the
JSON of every part. A part that fails is told on the page, and the others go on; the exit status is
then 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import torch
from PIL import Image

from bench_tables import tables
from typica import __version__
from typica.files import write_json
from typica.hardware import describe
from typica.reports.page import check_self_contained, picture_data_uri, write_page

HERE = Path(__file__).parent

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>typica: figures</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1rem }
td, th { border-bottom: 1px solid #ccc; padding: .25rem .8rem .25rem 0; text-align: left }
td + td { font-variant-numeric: tabular-nums }
.failed { color: #a00 } small { color: #555 } img { max-width: 100% }
</style></head><body>
<h1>typica {{ version }}: figures</h1>
<p>{{ hardware }}. Measured in {{ "%.1f"|format(minutes) }} minutes with one command,
<code>make bench</code>; the same figures as JSON are in <code>bench.json</code>.</p>
{% for one in failed %}<p class="failed">{{ one[0] }} failed: {{ one[1] }}</p>{% endfor %}
{% if alphabet %}<p><img src="{{ alphabet }}" alt="the alphabet that was learned"></p>{% endif %}
{% for table in tables %}
<h2>{{ table.title }}</h2><p>{{ table.about }}</p>
<table><thead><tr>{% for name in table.head %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table>
{% endfor %}
<h2>Seconds of each part</h2>
<table><tbody>{% for name, one in seconds %}<tr><td>{{ name }}</td><td>{{ one }}</td></tr>
{% endfor %}</tbody></table>
<p><small>Figures of real data, with their commands: docs/results.md, docs/results-mining.md,
docs/results-palaeography.md.</small></p>
</body></html>
"""


@dataclass(frozen=True)
class Part:
    """One measurement: a program, and whether it takes `--out` and leaves a JSON file."""

    name: str
    command: tuple[str, ...]
    writes: bool = True


def parts(out: Path, minutes: float, mining_minutes: float) -> list[Part]:
    """What is run, in order."""
    demo = str(out / "demo")

    def script(name: str, *options: str) -> tuple[str, ...]:
        return (sys.executable, str(HERE / f"{name}.py"), *options)

    times = ("--minutes", str(minutes), "--mining-minutes", str(mining_minutes))
    return [
        Part("forms", script("typewriter_forms")),
        Part("step", script("typewriter_step", "--widths", "352", "704", "--repeats", "2")),
        Part("elements", script("mining_elements", "--pictures", "3")),
        Part("scoring", script("mining_scoring", "--pictures", "4")),
        Part("demo", (sys.executable, "-m", "typica", "demo", "--out", demo, *times), False),
        Part("typewriter", script("real_lines", f"{demo}/lines", "--run", f"{demo}/typewriter")),
        Part("mining", script("mining_quality", f"{demo}/mining", f"{demo}/designs")),
    ]


def run(part: Part, out: Path) -> dict[str, Any]:
    """Run a part: its seconds, and its result or what went wrong."""
    path = out / f"{part.name}.json"
    command = [*part.command, *(["--out", str(path)] if part.writes else [])]
    start = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True)
    found: dict[str, Any] = {"seconds": round(time.perf_counter() - start, 1)}
    if ended.returncode:
        said = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
        found["failed"] = said[-1] if said else f"ended with {ended.returncode}"
    elif part.writes:
        found["result"] = json.loads(path.read_text("utf-8"))
    return found


def page(found: dict[str, dict[str, Any]], out: Path, hardware: dict[str, Any]) -> str:
    """The page of what was found."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    alphabet = out / "demo/typewriter/alphabet.png"
    uri = ""
    if alphabet.is_file():
        with Image.open(alphabet) as picture:
            uri = picture_data_uri(np.asarray(picture.convert("RGB")))
    text = environment.from_string(PAGE).render(
        version=__version__,
        hardware=", ".join(f"{name} {value}" for name, value in hardware.items()),
        minutes=sum(one["seconds"] for one in found.values()) / 60,
        failed=[(name, one["failed"]) for name, one in found.items() if "failed" in one],
        alphabet=uri,
        tables=tables({name: one["result"] for name, one in found.items() if "result" in one}),
        seconds=[(name, one["seconds"]) for name, one in found.items()],
    )
    check_self_contained(text)
    return text


def main() -> int:
    """Measure and write; after every part, so that an interrupted run leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.5, help="for training the typewriter")
    parser.add_argument("--mining-minutes", type=float, default=5.0)
    parser.add_argument("--parts", nargs="*", help="only these")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    hardware = describe(torch.device("cpu"))
    found: dict[str, dict[str, Any]] = {}
    wanted = parts(given.out, given.minutes, given.mining_minutes)
    for number, part in enumerate(wanted):
        if given.parts and part.name not in given.parts:
            continue
        print(f"{number + 1} of {len(wanted)}: {part.name}", flush=True)
        found[part.name] = run(part, given.out)
        if "failed" in found[part.name]:
            print(f"  failed: {found[part.name]['failed']}", flush=True)
        write_json(given.out / "bench.json", {"hardware": hardware, "parts": found})
        write_page(page(found, given.out, hardware), given.out / "index.html")
    print(f"open {(given.out / 'index.html').resolve()}")
    return int(any("failed" in one for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
