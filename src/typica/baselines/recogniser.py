"""A discriminative recogniser trained with CTC: the reference for what supervision can read.

It stands in the role of the recogniser of ScrabbleGAN (Fogel et al. 2020) in the paper's Table
3.1. Kept of that: a convolutional recogniser of whole lines of any width, trained with CTC, greedy
decoding without a language model. Not kept: the generator and its adversarial training, which are
for making handwriting and read nothing; and its recogniser has no recurrent layers, whereas this
one has the two bidirectional LSTM layers of the CRNN that it was made from (Shi et al. 2015),
because a reference should read as well as it can. Word spaces are symbols of their own in training.

It models no image: there are no sprites, no reconstruction, and the boxes are only as good as the
places where CTC puts its peaks.

References:
    ScrabbleGAN: https://arxiv.org/abs/2003.10557
    Connectionist temporal classification: https://www.cs.toronto.edu/~graves/icml_2006.pdf
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ..configs import from_plain, require
from ..errors import DAMAGE, DataError, RunError, reason
from ..lines.batches import even_batches, width_batches
from ..lines.cache import LineCache
from ..lines.images import line_size
from ..lines.line import SPACE, Box, Line
from ..runs import Run, load_tensors, save_tensors
from ..typewriter.loading import Colour, collection_colours, jittered, make_batch
from ..typewriter.reading import LineReading, PlacedGlyph
from .loop import LoopOptions, train_module
from .recogniser_network import BLANK, STEP, RecogniserNetwork, needed_cells
from .run import Fitted, Session

__all__ = [
    "Peak",
    "Recogniser",
    "RecogniserOptions",
    "fit_recogniser",
    "greedy_peaks",
    "load_recogniser",
    "place_peaks",
]


@dataclass(frozen=True)
class RecogniserOptions:
    """What decides a recogniser and its training."""

    height: int = 48
    """Height in pixels that every line is resized to. A feature per 4 pixels is then fine enough
    for doubled narrow letters, which CTC needs three features for."""
    channels: tuple[int, ...] = (24, 48, 64, 96)
    """Channels of the four convolutions: little more than print needs, for the sake of time."""
    hidden: int = 96
    """Size of each of the two LSTM layers, per direction."""
    dropout: float = 0.2
    """Share of the features that is dropped in training, against learning few lines by heart."""
    batch_size: int = 8
    """Lines in a step. On a processor eight cost half of sixteen, and CTC, which first learns to
    say nothing but blanks, needs steps rather than lines to get beyond that."""
    jitter_shift: float = 0.03
    """Largest random vertical shift of a training line over its height, as for the typewriter."""
    jitter_contrast: float = 0.15
    """Largest random change of a training line's contrast, as a share, as for the typewriter."""
    seed: int = 0
    """Another seed gives other initial weights, batches and chances."""
    loop: LoopOptions = field(default_factory=lambda: LoopOptions(3500, 2e-3, clip=2.0))
    """How it is trained."""

    def __post_init__(self) -> None:
        require(
            self.height >= 16 and self.height % 16 == 0,
            f"height: {self.height} is no multiple of 16",
        )
        require(
            len(self.channels) == 4 and min(self.channels) >= 1,
            f"channels: {self.channels} are not four numbers above 0",
        )
        require(self.hidden >= 1, f"hidden: {self.hidden} is below 1")
        require(0 <= self.dropout < 1, f"dropout: {self.dropout} is no share below 1")
        require(self.batch_size >= 1, f"batch_size: {self.batch_size} is below 1")
        require(0 <= self.jitter_shift <= 0.5, "jitter_shift: between 0 and 0.5")
        require(0 <= self.jitter_contrast < 1, "jitter_contrast: between 0 and 1")
        require(0 <= self.seed < 2**32, "seed: from 0 to 4294967295")


@dataclass(frozen=True)
class Peak:
    """A symbol that was read: its index in the alphabet, the feature where its probability is
    highest, and that probability."""

    symbol: int
    cell: int
    confidence: float


def greedy_peaks(log_probabilities: Tensor) -> list[Peak]:
    """The best label of every feature, repeats merged, blanks dropped.

    Arguments:
        log_probabilities: Of one line, `(T, symbols + 1)`.

    Returns:
        The symbols in reading order.
    """
    values, labels = (found.tolist() for found in log_probabilities.exp().max(-1))
    peaks: list[Peak] = []
    before = BLANK
    for cell, (value, label) in enumerate(zip(values, labels, strict=True)):
        if label != BLANK:
            if label != before:
                peaks.append(Peak(label - 1, cell, value))
            elif value > peaks[-1].confidence:
                peaks[-1] = Peak(label - 1, cell, value)
        before = label
    return peaks


def place_peaks(
    peaks: list[Peak],
    symbols: tuple[str, ...],
    size: tuple[int, int],
    scale: float,
    colour: Colour = (0.0, 0.0, 0.0),
) -> tuple[PlacedGlyph, ...]:
    """Glyphs from the places where symbols were read.

    A box reaches half way to the peaks beside it, those of word spaces included, and over the
    whole height of the line; at the ends of the line it is as wide on the outer side as on the
    inner one.

    Arguments:
        peaks: In reading order.
        symbols: The alphabet, with `SPACE` or without.
        size: Width and height of the line as it was given, in pixels.
        scale: Pixels of the line as it was given over those of the cached one.
        colour: Of the ink, for all glyphs.
    """
    width, height = size
    centres = [(peak.cell + 0.5) * STEP * scale for peak in peaks]
    middles = [(a + b) / 2 for a, b in pairwise(centres)]
    glyphs: list[PlacedGlyph] = []
    space = False
    for number, (peak, centre) in enumerate(zip(peaks, centres, strict=True)):
        if symbols[peak.symbol] == SPACE:
            space = bool(glyphs)
            continue
        before = middles[number - 1] if number else None
        after = middles[number] if number < len(middles) else None
        reach = height / 4  # a line of one letter says nothing of its width
        left = before if before is not None else centre - (after - centre if after else reach)
        right = after if after is not None else centre + (centre - before if before else reach)
        box = Box(max(0.0, left), 0.0, min(float(width), right), float(height))
        glyphs.append(
            PlacedGlyph(symbols[peak.symbol], peak.symbol, box, peak.confidence, 1.0, colour, space)
        )
        space = False
    return tuple(glyphs)


class Recogniser:
    """A trained recogniser: a `Reader`.

    Arguments:
        network: Its network.
        options: What decided it.
        symbols: The alphabet, with `SPACE` if the training text had word spaces.
        paper: Colour of the paper, in [0, 1].
        ink: Colour of the ink, in [0, 1].
    """

    def __init__(
        self,
        network: RecogniserNetwork,
        options: RecogniserOptions,
        symbols: tuple[str, ...],
        paper: Colour,
        ink: Colour,
    ) -> None:
        self.network, self.options, self.symbols = network, options, symbols
        self.paper, self.ink = paper, ink

    @torch.no_grad()
    def read(self, cache: LineCache, progress: bool = False) -> Iterator[LineReading]:
        """Read every line of a cache; see `Reader`."""
        self.network.eval()
        device = next(self.network.parameters()).device
        bar = tqdm(total=len(cache), unit="line", disable=not progress, desc="reading")
        for chosen in even_batches(cache.widths, self.options.batch_size):
            batch = make_batch([np.asarray(cache[i]) for i in chosen], STEP, self.paper)
            ink = ink_picture(batch.images.to(device), self.paper, self.ink)
            found = self.network(ink, batch.widths.to(device)).cpu()
            cells = self.network.cells(batch.widths).tolist()
            for row, number in enumerate(chosen):
                line = cache.collection.lines[number]
                size = line_size(line)
                scale = size[0] / int(cache.widths[number])
                peaks = greedy_peaks(found[row, : cells[row]])
                glyphs = place_peaks(peaks, self.symbols, size, scale, self.ink)
                yield LineReading(line.id, *size, glyphs)
            bar.update(len(chosen))
        bar.close()

    def about(self) -> dict[str, Any]:
        """What it is, apart from its weights, as plain values."""
        return {
            "symbols": list(self.symbols),
            "paper": list(self.paper),
            "ink": list(self.ink),
        }

    def save(self, path: Path) -> None:
        """Write weights and description in one step."""
        about = {"kind": "recogniser", "options": asdict(self.options), **self.about()}
        save_tensors(path, self.network.state_dict(), about)


def ink_picture(images: Tensor, paper: Colour, ink: Colour) -> Tensor:
    """Pictures `(B, 3, H, W)` in [0, 1] as ink `(B, 1, H, W)`: 0 for paper, 1 for typical ink."""
    light, dark = sum(paper) / 3, sum(ink) / 3
    # paper and ink of one brightness: then there is no contrast that could be restored
    contrast = light - dark if abs(light - dark) > 0.02 else 1.0
    return (light - images.mean(1, keepdim=True)) / contrast


def load_recogniser(run: Path | str, device: torch.device | str = "cpu") -> Recogniser:
    """The trained recogniser of a run folder (or a weights file).

    Raises:
        RunError: If it is missing, damaged, or of another kind.
    """
    path = Path(run)
    path = Run(path).model if path.is_dir() else path
    tensors, about = load_tensors(path)
    try:
        if about["kind"] != "recogniser":
            raise RunError(f"{path}: holds a {about['kind']}, not a recogniser. Give another run.")
        options = from_plain(RecogniserOptions, about["options"])
        symbols = tuple(str(symbol) for symbol in about["symbols"])
        paper, ink = (tuple(float(v) for v in about[name]) for name in ("paper", "ink"))
        network = _network(options, symbols)
        network.load_state_dict(tensors)
        colours: tuple[Colour, Colour] = (
            (paper[0], paper[1], paper[2]),
            (ink[0], ink[1], ink[2]),
        )
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged, or from another version ({reason(error)}). Train again."
        ) from error
    return Recogniser(network.to(device).eval(), options, symbols, *colours)


def fit_recogniser(options: RecogniserOptions, cache: LineCache, session: Session) -> Fitted:
    """Train a recogniser on the transcribed training lines.

    Arguments:
        options: What decides it.
        cache: Lines at `options.height`.
        session: Run, device and time.

    Returns:
        The recogniser; its weights are those of the last step.

    Raises:
        DataError: If no training line has a transcription that fits into its width.
        RunError: As for `typica.baselines.loop.train_module`.
    """
    lines = cache.collection.lines
    train = [i for i, line in enumerate(lines) if line.split == "train" and line.letters]
    if not train:
        raise DataError(
            f"{cache.collection.root}: no training line has a transcription, so there is nothing "
            "for a recogniser to learn. Add transcriptions."
        )
    symbols = tuple(sorted({s for i in train for s in lines[i].symbols or ()}))
    number = {symbol: i + 1 for i, symbol in enumerate(symbols)}
    targets = {i: [number[s] for s in _words(lines[i])] for i in train}
    # CTC has no path for these: their loss would be infinite
    usable = [i for i in train if needed_cells(targets[i]) * STEP <= int(cache.widths[i])]
    if not usable:
        raise DataError(
            f"{cache.collection.root}: every transcription is too long for the width of its line. "
            "Check that pictures and texts belong together."
        )
    paper, ink = collection_colours(cache)
    torch.manual_seed(options.seed)
    network = _network(options, symbols).to(session.device)
    widths = np.asarray(cache.widths)[usable]
    per_epoch = -(-len(usable) // options.batch_size)
    shift = round(options.jitter_shift * options.height)
    epochs: dict[int, list[list[int]]] = {}

    def loss(step: int, total: int) -> dict[str, Tensor]:
        epoch, place = divmod(step, per_epoch)
        if epoch not in epochs:
            epochs.clear()
            generator = np.random.default_rng([options.seed, epoch])
            epochs[epoch] = width_batches(widths, options.batch_size, generator)
        chosen = [usable[i] for i in epochs[epoch][place]]
        generator = np.random.default_rng([options.seed, 1, step])
        images = [
            jittered(np.asarray(cache[i]), paper, shift, options.jitter_contrast, generator)
            for i in chosen
        ]
        batch = make_batch(images, STEP, paper, [targets[i] for i in chosen])
        torch.manual_seed(options.seed * 1_000_003 + step)  # for what is dropped
        picture = ink_picture(batch.images.to(session.device), paper, ink)
        found = network(picture, batch.widths.to(session.device))
        assert batch.targets is not None
        assert batch.target_lengths is not None
        text = F.ctc_loss(
            found.transpose(0, 1),
            batch.targets.to(session.device),
            network.cells(batch.widths),
            batch.target_lengths,
            blank=BLANK,
        )
        return {"loss": text}

    training = train_module(
        session.run,
        network,
        loss,
        options.loop,
        session.key,
        max_minutes=session.max_minutes,
        show_progress=session.show_progress,
    )
    recogniser = Recogniser(network.eval(), options, symbols, paper, ink)
    if training.finished:
        recogniser.save(session.run.model)
    about = {**recogniser.about(), "too_narrow": len(train) - len(usable)}
    return Fitted(recogniser, training, about)


def _network(options: RecogniserOptions, symbols: tuple[str, ...]) -> RecogniserNetwork:
    a, b, c, d = options.channels
    return RecogniserNetwork(
        len(symbols), options.height, (a, b, c, d), options.hidden, options.dropout
    )


def _words(line: Line) -> list[str]:
    """The symbols of a line without word spaces at its ends or next to each other."""
    kept: list[str] = []
    for symbol in line.symbols or ():
        if symbol != SPACE or (kept and kept[-1] != SPACE):
            kept.append(symbol)
    return kept[:-1] if kept and kept[-1] == SPACE else kept
