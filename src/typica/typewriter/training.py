"""Training: a plain loop that can be killed at any instant and continued exactly.

Everything random at step n is a function of (seed, n), so the state of a run is its weights,
its optimizer and a few numbers. They are written together, in one file, in one rename.
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from tqdm import tqdm

from .. import __version__
from ..errors import DataError, RunError
from ..files import write_json
from ..hardware import choose_device, describe, fast_bfloat16, tune_process
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..runs import Run, load_tensors, save_tensors
from .config import TypewriterConfig, config_from_dict
from .decoding import letters
from .loading import LineLoader, collection_colours
from .losses import reconstruction_loss
from .model import Typewriter
from .objective import learning_rate, objective, parameter_groups
from .storage import TypewriterAbout, build, save_typewriter

__all__ = ["TrainingResult", "train", "validate"]

_LOG_EVERY = 10
_VALIDATION_LINES = 160


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Arguments:
        run: The run folder.
        step: Steps taken in all.
        minutes: Time spent training, in all sessions.
        validation_cer: Of the kept weights; None without transcribed validation lines.
        finished: False if it was interrupted; `--resume` goes on.
    """

    run: Path
    step: int
    minutes: float
    validation_cer: float | None
    finished: bool


@torch.no_grad()
def validate(
    model: Typewriter, loader: LineLoader, batch_size: int, device: torch.device, autocast: bool
) -> tuple[float | None, float]:
    """CER (corpus level, spaces ignored) and reconstruction error of some lines.

    Arguments:
        model: Is put into evaluation mode and back.
        loader: At most 160 of its lines are read, evenly spread.
        batch_size: Lines at a time.
        device: Where the model is.
        autocast: Run the encoder in bfloat16.

    Returns:
        CER, or None without transcriptions, and the mean squared error per pixel.
    """
    was_training = model.training
    model.eval()
    keep = set(range(0, len(loader), max(1, math.ceil(len(loader) / _VALIDATION_LINES))))
    edits, length, errors = 0, 0, []
    for chosen in loader.in_order(batch_size):
        wanted = [i for i in chosen if i in keep]
        if not wanted:
            continue
        batch = loader.batch(wanted).to(device)
        taken = model(batch, autocast=autocast)
        error = reconstruction_loss(taken.picture, batch.images, batch.widths)
        errors.extend(error.tolist())
        for i, read in zip(wanted, letters(model, taken.logits, taken.cells), strict=True):
            truth = loader.lines[i].letters
            edits += Levenshtein.distance(truth, tuple(model.symbols[c] for c in read))
            length += len(truth)
    model.train(was_training)
    return (edits / length if length else None), sum(errors) / len(errors)


def _fingerprint(collection: LineCollection) -> str:
    """A digest of what is trained on: ids, splits and texts."""
    rows = [[line.id, line.split, line.symbols] for line in collection]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:16]


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list, so that a step is never cut in half."""
    caught: list[int] = []
    kept = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            kept[number] = signal.signal(number, lambda s, _: caught.append(s))
        except ValueError:  # not the main thread: leave signals alone
            break
    try:
        yield caught
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@dataclass
class _Progress:
    """The numbers of a training state; all of them are in the checkpoint."""

    step: int = 0
    total: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_cer: float | None = None
    best_step: int = 0
    rate: float = 1.0
    rollbacks: int = 0


class _Training:
    """The pieces of one training and the three things done with them: step, judge, save."""

    def __init__(
        self, run: Run, cache: LineCache, about: TypewriterAbout, device: torch.device
    ) -> None:
        self.run, self.about, self.config = run, about, about.config
        self.device = device
        self.autocast = fast_bfloat16(device)
        lines = cache.collection.lines
        crop = self.config.training.crop
        step = self.config.encoder.step

        def loader(split: str, width: int | None) -> LineLoader:
            chosen = [i for i, line in enumerate(lines) if line.split == split]
            return LineLoader(cache, chosen, about.symbols, step, about.paper, width)

        self.train_lines = loader("train", round(crop * self.config.height) if crop else None)
        self.validation = loader("val", None)
        torch.manual_seed(self.config.training.seed)
        self.accelerator = Accelerator(cpu=device.type == "cpu")
        if self.accelerator.num_processes > 1:
            raise RunError("training in several processes is not supported yet: start one")
        self.model: Typewriter = build(about)
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(
            parameter_groups(self.model),  # type: ignore[arg-type]
            lr=self.config.training.learning_rate,
        )
        self.model, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        self.best: dict[str, Tensor] = {}
        self.progress = _Progress(total=self.config.training.steps)
        self.sums: dict[str, Tensor] = {}

    def batches(self, start: int) -> Iterator[list[int]]:
        """The batches from a step on, epoch after epoch."""
        training, epoch = self.config.training, 0
        while True:
            batches = self.train_lines.epoch(epoch, training.batch_size, training.seed)
            yield from batches[start:] if start < len(batches) else ()
            start = max(0, start - len(batches))
            epoch += 1

    def one_step(self, chosen: list[int]) -> None:
        """Forward, backward, update."""
        training, now = self.config.training, self.progress
        rate = now.rate * learning_rate(self.config, now.step, now.total)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.train_lines.batch(chosen, (training.seed, now.step)).to(self.device)
        terms = objective(self.model, batch, now.step, now.total, self.autocast)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(terms["loss"])
        if training.clip is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), training.clip)
        self.optimizer.step()
        now.step += 1
        for name, value in terms.items():
            value = value.detach()
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def means(self, steps: int) -> dict[str, float]:
        """The mean of every term since the last call: the only wait for the device."""
        values = {name: float(value) / steps for name, value in self.sums.items()}
        self.sums = {}
        return values

    def judge(self) -> dict[str, Any]:
        """Read the validation lines; keep the weights if they are the best so far."""
        now = self.progress
        if len(self.validation) == 0:
            self.best, now.best_step = self._weights(), now.step
            return {}
        cer, error = validate(
            self.model,
            self.validation,
            self.config.training.batch_size,
            self.device,
            self.autocast,
        )
        # a better picture decides between equal texts, and alone if there are none
        judged = error if cer is None else cer + 1e-3 * min(1.0, error)
        if judged <= now.best:
            now.best, now.best_cer, now.best_step = judged, cer, now.step
            self.best = self._weights()
        row: dict[str, Any] = {"validation_reconstruction": error}
        return row if cer is None else {**row, "validation_cer": cer}

    def _weights(self) -> dict[str, Tensor]:
        state = self.accelerator.unwrap_model(self.model).state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def save(self) -> None:
        """Write the checkpoint: one file, one rename."""
        tensors = {f"model.{k}": v for k, v in self._weights().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{k}": v for k, v in state.items()}
        about = {
            "progress": vars(self.progress),
            "typewriter": self.about.as_dict(),
        }
        save_tensors(self.run.checkpoint, tensors, about)

    def load(self) -> None:
        """Go back to the checkpoint."""
        tensors, about = load_tensors(self.run.checkpoint)

        def part(prefix: str) -> dict[str, Tensor]:
            start = f"{prefix}."
            return {k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)}

        self.accelerator.unwrap_model(self.model).load_state_dict(part("model"))
        self.best = part("best")
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimizer").items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = value
        whole = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**whole, "state": state})
        self.progress = _Progress(**about["progress"])
        self.sums = {}


def _prepare(
    collection: LineCollection, config: TypewriterConfig, cache: LineCache, text: dict[str, Any]
) -> TypewriterAbout:
    """Alphabet and colours of a collection, as a new typewriter needs them."""
    lines = cache.collection.part("train").lines
    counts = Counter(letter for line in lines for letter in line.letters)
    if not lines:
        raise DataError(
            f"{collection.root}: no usable training line. `typica lines check` says why."
        )
    supervised = config.sprites.count is None
    if supervised and not counts:
        raise DataError(
            f"{collection.root}: no training line has a transcription, so there is no alphabet "
            "to learn. Add transcriptions, or give the number of sprites "
            "(--config.sprites.count)."
        )
    symbols = tuple(sorted(counts)) if supervised else ()
    paper, ink = collection_colours(cache)
    return TypewriterAbout(config, symbols, paper, ink, text, dict(counts), None, {})


def train(
    collection: LineCollection,
    out: Path | str,
    config: TypewriterConfig | None = None,
    *,
    max_minutes: float | None = None,
    device: str = "auto",
    resume: bool = False,
    text: dict[str, Any] | None = None,
    cache_folder: Path | None = None,
    tensorboard: bool = False,
    show_progress: bool = True,
) -> TrainingResult:
    """Learn an alphabet from lines.

    Arguments:
        collection: Lines with splits; the alphabet is that of the training lines.
        out: The run folder; made if needed.
        config: Everything that decides the typewriter. On resume the run's own is used.
        max_minutes: Fit the number of steps to this time instead of `config.training.steps`.
        device: `auto`, `cpu`, `cuda`, ...
        resume: Go on from the checkpoint in `out`.
        text: The options with which the transcriptions were read, kept for the record.
        cache_folder: Where to keep the resized lines between runs; None keeps them nowhere.
        tensorboard: Also write TensorBoard events into the run folder.
        show_progress: Show a progress bar on standard error.

    Returns:
        How it ended; the weights are in the run folder.

    Raises:
        DataError: If there is nothing to train on.
        RunError: If the folder holds another run, or is in use, or training diverged.
    """
    tune_process()
    run = Run(Path(out))
    where = choose_device(device)
    with run.locked():
        if resume and not run.checkpoint.exists():
            if run.config.exists():
                raise RunError(f"{run.folder}: no checkpoint to resume from; train without --resume")
            resume = False
        if not resume and run.config.exists():
            raise RunError(
                f"{run.folder}: holds a run already. Give --resume to go on with it, or another "
                "--out."
            )
        about = None
        if resume:
            values = load_tensors(run.checkpoint)[1]
            about = TypewriterAbout.from_dict(values["typewriter"])
            mark = about.training.get("data_digest")
            if mark != _fingerprint(collection):
                raise RunError(
                    f"{run.folder}: was started on other lines than {collection.root} holds now "
                    "(or they are read with other text options). Train a new run instead."
                )
        config = about.config if about else (config or TypewriterConfig())
        with LineCache(collection, config.height, cache_folder) as cache:
            if about is None:
                record = {
                    "data": collection.root.name,
                    "data_digest": _fingerprint(collection),
                    "train_lines": len(cache.collection.part("train")),
                    "val_lines": len(cache.collection.part("val")),
                    "hardware": describe(where),
                    "typica": __version__,
                    "started": time.strftime("%Y-%m-%d %H:%M:%S"),
                }
                about = replace(
                    _prepare(collection, config, cache, text or {}), training=record
                )
            training = _Training(run, cache, about, where)
            if resume:
                training.load()
                run.cut_log(training.progress.step)
            else:
                run.write_config(about.as_dict())
                problems = [vars(p) | {"file": str(p.file.name)} for p in cache.collection.problems]
                write_json(run.folder / "problems.json", problems)
            return _loop(training, max_minutes, tensorboard, show_progress)


def _loop(
    training: _Training, max_minutes: float | None, tensorboard: bool, show_progress: bool
) -> TrainingResult:
    """Step, log, judge and save until the plan is fulfilled or a signal comes."""
    now, run, config = training.progress, training.run, training.config
    writer = _tensorboard(run.folder) if tensorboard else None
    started = time.perf_counter() - now.seconds
    saved = time.perf_counter()
    first_step, first_time = now.step, time.perf_counter()
    last_log = (now.step, time.perf_counter())
    since = now.step
    bar = tqdm(
        total=now.total, initial=now.step, unit="step", disable=not show_progress, smoothing=0.05
    )
    notes: dict[str, str] = {}

    def log(row: dict[str, Any]) -> None:
        row = {"step": now.step, "seconds": round(now.seconds, 2), **row}
        run.append_log(row)
        if writer is not None:
            for name, value in row.items():
                writer.add_scalar(name, value, now.step)
        for key, short in (("reconstruction", "rec"), ("text", "text"), ("validation_cer", "CER")):
            if key in row:
                notes[short] = f"{row[key]:.4f}"
        bar.set_postfix(notes, refresh=False)

    if not resume_has_best(training):
        training.judge()  # so that there is always something to keep
        training.save()
    next_judgement = _next_judgement(now.step, now.total, config.training.evaluations)
    training.model.train()
    with _interruptible() as signals:
        batches = training.batches(now.step)
        while now.step < now.total and not signals:
            training.one_step(next(batches))
            bar.update(1)
            now.seconds = time.perf_counter() - started
            if now.step - since >= _LOG_EVERY or now.step == now.total:
                means = training.means(now.step - since)
                since = now.step
                if not all(math.isfinite(value) for value in means.values()):
                    now = _roll_back(training)
                    batches, since = training.batches(now.step), now.step
                    bar.n = now.step
                    continue
                elapsed = time.perf_counter() - last_log[1]
                speed = (now.step - last_log[0]) * config.training.batch_size / elapsed
                last_log = (now.step, time.perf_counter())
                rate = now.rate * learning_rate(config, now.step, now.total)
                log({**means, "learning_rate": rate, "lines_per_second": round(speed, 2)})
                if max_minutes is not None and now.step - first_step >= 2 * _LOG_EVERY:
                    pace = (time.perf_counter() - first_time) / (now.step - first_step)
                    left = max_minutes * 60 - now.seconds - 2.0
                    now.total = now.step + max(0, int(left / pace))
                    bar.total = now.total
                    next_judgement = min(
                        next_judgement,
                        _next_judgement(now.step - 1, now.total, config.training.evaluations),
                    )
            if now.step >= next_judgement or now.step == now.total:
                log(training.judge())
                next_judgement = _next_judgement(
                    now.step, now.total, config.training.evaluations
                )
                training.save()
                saved = last = time.perf_counter()
                last_log = (now.step, last)
            elif time.perf_counter() - saved > 60:
                training.save()
                saved = time.perf_counter()
    finished = now.step >= now.total
    if not finished:
        training.save()
    bar.close()
    if writer is not None:
        writer.close()
    record = {
        **training.about.training,
        "steps": now.step,
        "best_step": now.best_step,
        "minutes": round(now.seconds / 60, 2),
        "validation_cer": now.best_cer,
        "finished": finished,
    }
    training.about = replace(training.about, training=record)
    save_typewriter(run.model, training.best, training.about)
    run.write_config(training.about.as_dict())
    return TrainingResult(run.folder, now.step, now.seconds / 60, now.best_cer, finished)


def resume_has_best(training: _Training) -> bool:
    """Whether there are weights to keep already."""
    return bool(training.best)


def _next_judgement(step: int, total: int, evaluations: int) -> int:
    """The step of the next evaluation: they are evenly spread and the last is at the end."""
    every = max(1, math.ceil(total / evaluations))
    return min(total, (step // every + 1) * every)


def _roll_back(training: _Training) -> _Progress:
    """After a loss that is not a number: the last checkpoint, at half the learning rate."""
    rollbacks, rate = training.progress.rollbacks + 1, training.progress.rate / 2
    if rollbacks > 5:
        raise RunError(
            f"{training.run.folder}: the loss became NaN or infinite six times, at ever lower "
            "learning rates. Look for damaged lines with `typica lines check`, or lower "
            "--config.training.learning-rate."
        )
    training.load()
    training.progress.rollbacks, training.progress.rate = rollbacks, rate
    training.run.cut_log(training.progress.step)
    training.run.append_log(
        {"step": training.progress.step, "note": "loss not finite: rolled back, rate halved"}
    )
    return training.progress


def _tensorboard(folder: Path) -> Any:
    """A TensorBoard writer, or an error that names the extra."""
    from ..errors import DependencyError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError(
            "--tensorboard needs the tensorboard package: pip install 'typica[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder / "tensorboard"))
