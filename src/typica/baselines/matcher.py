r"""A few-shot matcher: it has learned to find exemplars in lines, and reads alphabets it never saw.

It stands in the role of two systems. Kept of FontAdaptor (Zhang et al. 2020): a convolutional
encoder gives a vector for every column of a line and of the exemplars; their cosines are a
similarity map; scores come from the map alone, by a network that treats all characters alike, so
that any alphabet in any order can be read from one exemplar per character; training on rendered
lines in many types with random alphabets, never on lines of the alphabet that is read. Kept of
HTRbyMatching (Souibgui et al. 2020): one to five exemplars per character, averaged in score, and
a confidence threshold, with the share of symbols below it beside the error of the rest.

Not kept: FontAdaptor's line of concatenated exemplars with its self-attention and positional
codes (an exemplar is laid on the line rigidly here, its columns' cosines summed along the
diagonal, and characters compete through sums and maxima), its CTC loss (rendered lines tell where
every glyph stands: the column of its middle is learned by cross-entropy), its U-Net encoder (a
smaller one, for the sake of time), its language model; HTRbyMatching's detector with
proposals (columns are scored instead of boxes) and its fine-tuning on lines of the alphabet.
Neither system's weights or data are used.

References:
    Adaptive Text Recognition through Visual Matching: https://arxiv.org/abs/2009.06610
    A Few-shot Learning Approach for Historical Ciphered Manuscript Recognition:
        https://arxiv.org/abs/2009.12577
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ..configs import from_plain, require
from ..errors import DAMAGE, ConfigError, RunError, reason
from ..lines.batches import even_batches
from ..lines.cache import LineCache
from ..lines.exemplars import Exemplar, ink_of
from ..lines.images import line_size
from ..lines.line import Box, Line
from ..runs import Run, load_tensors, save_tensors
from ..typewriter.decoding import apply_spaces
from ..typewriter.reading import LineReading, PlacedGlyph
from .loop import LoopResult, train_module
from .matcher_decoding import best_placements
from .matcher_exemplars import chosen_exemplars
from .matcher_fonts import training_fonts
from .matcher_network import COLUMN, Matcher
from .matcher_options import MatcherOptions
from .matcher_sources import find_exemplars
from .matcher_thresholds import with_threshold
from .matcher_training import encode_alphabet, step_loss, to_batch
from .run import Fitted, Session

__all__ = [
    "MatcherOptions",
    "MatcherReader",
    "Shots",
    "fit_matcher",
    "load_matcher",
    "save_matcher",
]

_BATCH = 4
"""Lines read at a time; the similarities of one line are a hundred characters times its columns."""


@dataclass(frozen=True)
class Shots:
    """What a matcher is shown of an alphabet, and what it makes of its doubts."""

    each: int = 1
    """Exemplars of every character, 1 to 5 in the originals; fewer where there are fewer."""
    source: Path | None = None
    """Where they come from, as for `find_exemplars`; None for the data's own boxes."""
    lines: int | None = None
    """Cut them from at most so many lines; None for all outside of the judged split."""
    threshold: float = 0.0
    """Symbols with less confidence are left out."""
    seed: int = 0
    """Another seed draws other exemplars."""

    def __post_init__(self) -> None:
        require(1 <= self.each <= 50, f"--exemplars {self.each}: give 1 to 50")
        require(0 <= self.threshold <= 1, f"--threshold {self.threshold}: give 0 to 1")


@dataclass(frozen=True)
class MatcherReader:
    """A matcher with the exemplars of an alphabet.

    Arguments:
        model: The matcher.
        exemplars: One or more of every character.
        device: Where the matcher is.
        threshold: Glyphs below this confidence are set apart as unread.
    """

    model: Matcher
    exemplars: tuple[Exemplar, ...]
    device: torch.device
    threshold: float = 0.0

    @property
    def symbols(self) -> tuple[str, ...]:
        """The alphabet, sorted."""
        return tuple(sorted({one.symbol for one in self.exemplars}))

    @torch.no_grad()
    def read(self, cache: LineCache, progress: bool = False) -> Iterator[LineReading]:
        """Read every line; see `Reader`."""
        options = self.model.options
        if cache.height != options.height:
            raise ConfigError(
                f"the lines are {cache.height} pixels high, the matcher was trained for "
                f"{options.height}. Prepare them at that height."
            )
        self.model.eval()
        symbols = self.symbols
        alphabet = encode_alphabet(self.model, symbols, self.exemplars, self.device)
        sizes = self._means("width"), self._means("top"), self._means("bottom")
        shown = tqdm(total=len(cache), unit="line", desc="reading", disable=not progress)
        for chosen in even_batches(cache.widths, _BATCH):
            pictures = [np.asarray(cache[i]) for i in chosen]
            inks = [ink_of(picture) for picture in pictures]
            batch, columns = to_batch(inks)
            columns = columns.to(self.device)
            logits = self.model(
                self.model.encode(batch.to(self.device), columns),
                columns,
                alphabet.columns,
                alphabet.held,
                alphabet.owner,
                len(symbols),
            )
            chances = logits.double().softmax(1).cpu().numpy()
            for row, count, index, picture, ink in zip(
                chances, columns.tolist(), chosen, pictures, inks, strict=True
            ):
                line = cache.collection.lines[index]
                reading = self._reading(line, row[:, :count], picture, ink, sizes)
                yield with_threshold(reading, self.threshold)
                shown.update(1)
        shown.close()

    def _reading(
        self,
        line: Line,
        chances: np.ndarray,
        picture: np.ndarray,
        ink: np.ndarray,
        sizes: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> LineReading:
        """One line from its chances `(K + 1, T)`; sizes are widths, tops and bottoms, in pixels."""
        options, symbols = self.model.options, self.symbols
        widths, tops, bottoms = sizes
        width, height = line_size(line)
        across, down = width / picture.shape[1], height / picture.shape[0]
        glyphs = []
        for one in best_placements(chances, widths / COLUMN, options.core):
            number = one.character
            middle, half = (one.middle + 0.5) * COLUMN, float(widths[number]) / 2
            left, right = middle - half, middle + half
            box = Box(
                max(0.0, left * across),
                float(tops[number]) * down,
                min(float(width), right * across),
                float(bottoms[number]) * down,
            )
            colour = _ink_colour(picture, ink, int(left), int(right) + 1)
            glyphs.append(PlacedGlyph(symbols[number], number, box, one.confidence, 1.0, colour))
        return apply_spaces(LineReading(line.id, width, height, tuple(glyphs)), options.space_gap)

    def _means(self, name: str) -> np.ndarray:
        """The mean of a number of every character's exemplars, `(K,)`."""
        return np.array(
            [
                np.mean([getattr(one, name) for one in self.exemplars if one.symbol == symbol])
                for symbol in self.symbols
            ]
        )


def _ink_colour(
    picture: np.ndarray, ink: np.ndarray, left: int, right: int
) -> tuple[float, float, float]:
    """The mean colour of the darker pixels of some columns; black where there is no ink."""
    part = slice(max(0, left), max(1, right))
    dark = picture[:, part][ink[:, part] > 0.5]
    if not len(dark):
        return 0.0, 0.0, 0.0
    red, green, blue = (dark.mean(0) / 255).tolist()
    return red, green, blue


def save_matcher(path: Path, model: Matcher, fonts: Sequence[dict[str, str]]) -> None:
    """Write a matcher: its weights, options, and the fonts that it has seen."""
    about = {"kind": "matcher", "options": asdict(model.options), "fonts": list(fonts)}
    save_tensors(path, model.state_dict(), about)


def load_matcher(path: Path, device: torch.device) -> tuple[Matcher, list[dict[str, str]]]:
    """Read a matcher.

    Arguments:
        path: A `model.safetensors`, or the run folder that holds it.
        device: Where it is to work.

    Returns:
        The matcher, and the name and SHA-256 digest of every font that it was trained on.

    Raises:
        RunError: The file is missing, damaged, or no matcher.
    """
    path = Run(path).model if Path(path).is_dir() else Path(path)
    tensors, about = load_tensors(path)
    if about.get("kind") != "matcher":
        raise RunError(f"{path}: is no matcher. Give a run of `typica baseline matcher`.")
    try:
        model = Matcher(from_plain(MatcherOptions, about["options"]))
        model.load_state_dict(tensors)
        fonts = [{"name": str(f["name"]), "digest": str(f["digest"])} for f in about["fonts"]]
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged, or from another version ({reason(error)}). Train the matcher again."
        ) from error
    return model.to(device).eval(), fonts


def fit_matcher(
    options: MatcherOptions,
    shots: Shots,
    split: str,
    cache: LineCache,
    session: Session,
    *,
    trained: Path | None = None,
    fonts: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Fitted:
    """Train a matcher on rendered lines, or take a trained one, and show it the alphabet.

    Arguments:
        options: Everything that decides the matcher.
        shots: What it is shown of the alphabet.
        split: The split that will be judged; no exemplar comes from it.
        cache: The lines; nothing is learned from them.
        session: The run folder, the device, the time.
        trained: A run folder or file of a matcher trained before.
        fonts: A folder of fonts to train on instead of the pinned ones.
        say: Is told what a person should know.

    Returns:
        The reader, how the training ended, and what was shown.

    Raises:
        ConfigError: There is no source of exemplars, or the trained matcher has seen the font
            that the lines are set in.
        DataError: No exemplars or too few fonts can be had.
    """
    # before the training: what lacks here would be told late
    found = find_exemplars(cache, split, shots.source, shots.lines)
    exemplars = chosen_exemplars(found, shots.each, shots.seed)
    shown = {one.symbol for one in exemplars}
    lacking = lacking_symbols(cache.collection.part(split).lines, shown)
    say(f"exemplars: {len(exemplars)} of {len(shown)} characters")
    if lacking:
        say(f"without exemplar, so never read: {' '.join(lacking)}")
    set_in = rendered_font(cache.collection.root)
    if trained is not None:
        model, seen = load_matcher(trained, session.device)
        if model.options.height != cache.height:
            raise ConfigError(f"{trained}: reads lines of {model.options.height} pixels.")
        if set_in in {font["digest"] for font in seen}:
            raise ConfigError(
                f"{trained}: was trained on the font that {cache.collection.root} is set in, so "
                "it would not be judged on what it never saw. Train one for this data."
            )
        result = LoopResult(0, 0.0, True)
    else:
        model, seen, result = _train(options, session, set_in, fonts, say)
    about: dict[str, Any] = {
        "symbols": sorted(shown),
        "shots": {**asdict(shots), "source": None if shots.source is None else str(shots.source)},
        "exemplars": len(exemplars),
        "without_exemplar": lacking,
        "fonts": seen,
        "trained_before": None if trained is None else str(trained),
    }
    return Fitted(MatcherReader(model, exemplars, session.device, shots.threshold), result, about)


def _train(
    options: MatcherOptions,
    session: Session,
    set_in: str,
    folder: Path | None,
    say: Callable[[str], None],
) -> tuple[Matcher, list[dict[str, str]], LoopResult]:
    fonts, passed_over = training_fonts(folder, {set_in})
    for why in passed_over:
        say(f"passed over: {why}")
    say(f"training fonts: {', '.join(font.name for font in fonts)}")
    seen = [{"name": font.name, "digest": font.digest} for font in fonts]
    torch.manual_seed(options.seed)
    model = Matcher(options).to(session.device)
    result = train_module(
        session.run,
        model,
        step_loss(model, fonts, options, session.device),
        options.loop,
        {**session.key, "fonts": [font.digest for font in fonts]},
        max_minutes=session.max_minutes,
        show_progress=session.show_progress,
    )
    if result.finished:
        save_matcher(session.run.model, model, seen)
    return model, seen, result


def lacking_symbols(lines: Sequence[Line], shown: set[str]) -> list[str]:
    """The characters of some transcriptions that have no exemplar, sorted."""
    return sorted({letter for line in lines for letter in line.letters} - shown)


def rendered_font(root: Path) -> str:
    """The SHA-256 of the font that a collection was rendered in; empty if it was not rendered."""
    try:
        about = json.loads((root / "render.json").read_text(encoding="utf-8"))
        return str(about["font"]["sha256"])
    except DAMAGE:
        return ""
