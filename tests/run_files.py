"""One of every file that we write and load again, made up or of tiny models, with its reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from typica.baselines.doersch.folder import (
    DoerschAbout,
    DoerschFolder,
    LabelClusters,
    Member,
    PatchCluster,
)
from typica.baselines.loop import LoopOptions, train_module
from typica.baselines.matcher import Matcher, load_matcher, save_matcher
from typica.baselines.matcher_options import MatcherOptions
from typica.baselines.recogniser import RecogniserOptions, load_recogniser
from typica.configs import from_file
from typica.files import write_json
from typica.lines.cache import LineCache
from typica.mining.bases import load_denoiser, save_denoiser
from typica.mining.bias.sample_folder import SampleFolder, Samples
from typica.mining.clustering import Cluster, Clustering, read_clusters, write_clusters
from typica.mining.config import MiningConfig, TypicalityConfig
from typica.mining.distillation import Distillation, Pool
from typica.mining.feature_store import load_features, save_features
from typica.mining.finetune_state import Progress, _key, read_progress
from typica.mining.folder import MiningFolder
from typica.mining.maps import (
    PictureMaps,
    check_piece,
    maps_settings,
    read_maps,
    skipped_of,
    write_piece,
)
from typica.mining.predictor import SurrogatePredictor
from typica.mining.rounds import read_bars, write_bars
from typica.mining.schedule import NoiseSchedule
from typica.mining.surrogate import Surrogate
from typica.mining.surrogate_job import _restore, read_surrogate
from typica.mining.table import read_table, write_table
from typica.mining.time_density import TimeDensity, read_density, write_density
from typica.mining.translation import cotypical_run, sequences
from typica.mining.translation.options import TranslationConfig
from typica.mining.translation.parallel import ParallelAbout, ParallelFolder, Translation
from typica.mining.translation.sequence_clusters import SequenceCluster
from typica.palaeography.groups import Group, load_groups, save_groups
from typica.palaeography.occurrences import Occurrences
from typica.palaeography.prototypes import load_prototypes, save_prototypes
from typica.palaeography.scene_file import (
    load_occurrences,
    load_scenes,
    save_occurrences,
    save_scenes,
)
from typica.palaeography.scenes import Scene
from typica.pixel_file import read_index
from typica.runs import Run, load_tensors, save_tensors
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.guide import Guide, read_guide, write_guide
from typica.typewriter.kept_readings import read_readings, read_summary, reading_to_dict
from typica.typewriter.naming import Naming, NamingOptions
from typica.typewriter.naming_file import KeptNaming, weights_digest, write_naming
from typica.typewriter.reading import LineReading, PlacedGlyph
from typica.typewriter.shapes import load_shapes, save_shapes
from typica.typewriter.state import TrainingState
from typica.typewriter.storage import TypewriterAbout, build, load_typewriter, save_typewriter
from typica.values import Box

from .doersch_helpers import TINY as TINY_DOERSCH
from .helpers import tiny_config as typewriter_config
from .helpers import tiny_lines
from .mining_helpers import LABELS, tiny_about, tiny_small
from .prototype_helpers import make_prototypes
from .test_mining_table import make_table
from .test_translation_cotypical import sequences_table

__all__ = ["RUN_FILES", "RunFile"]


@dataclass(frozen=True)
class RunFile:
    """A file that was written and can be read.

    Arguments:
        path: The file.
        read: Reads it, and what belongs to it.
    """

    path: Path
    read: Callable[[], Any]


def _about(config: TypewriterConfig, symbols: tuple[str, ...]) -> TypewriterAbout:
    text = {"normalization": "NFC", "sep": None, "space": None, "replacements": None}
    paper, ink, counts = (0.9, 0.9, 0.8), (0.1, 0.1, 0.1), dict.fromkeys(symbols, 3)
    return TypewriterAbout(config, symbols, paper, ink, text, counts, 0.4, {"steps": 3})


def _typewriter(folder: Path, *changes: str, symbols: tuple[str, ...] = ("a", "b")) -> RunFile:
    about = _about(typewriter_config(*changes), symbols)
    run = Run(folder)
    save_typewriter(run.model, build(about).state_dict(), about)
    return RunFile(run.model, lambda: load_typewriter(folder))


def _training(folder: Path) -> RunFile:
    cache = LineCache(tiny_lines(folder, 8), 16)
    about = _about(typewriter_config(), ("a", "b", "o"))

    def state() -> TrainingState:
        return TrainingState(Run(folder), cache, about, torch.device("cpu"))

    state().save()
    return RunFile(Run(folder).checkpoint, lambda: state().load())


def _naming(folder: Path) -> RunFile:
    made = _typewriter(folder, "sprites.count=3", symbols=())
    kept = KeptNaming(
        Naming((("a",), ("b", "c"), ()), (((0, 1), ("d",)),)),
        0.3, NamingOptions(), "data", "train", ("x", "y"), (3, 2, 1), 0.1, 6, 0, None,
        weights_digest(load_tensors(made.path)[0]),
    )  # fmt: skip
    return RunFile(write_naming(folder, kept), made.read)


def _guide(folder: Path) -> RunFile:
    write_guide(folder, Guide(3, {"a.png": (0, 1, 2), "b.png": ()}))
    return RunFile(folder / "guide.json", lambda: read_guide(folder))


def _readings(folder: Path) -> RunFile:
    glyph = PlacedGlyph("a", 0, Box(0, 1, 5, 9), 0.9, 1.0, (0.1, 0.2, 0.3), False, 2, ("b",))
    row = reading_to_dict(LineReading("x.png", 100, 20, (glyph,), 0.01))
    path = folder / "readings.jsonl"
    write_json(path, {**row, "truth": ["a"]})
    path.write_text(path.read_text().replace("\n", " ") + "\n")
    return RunFile(path, lambda: read_readings(path))


def _summary(folder: Path) -> RunFile:
    names = ("split", "lines", "pictures", "samples", "worst")
    write_json(folder / "evaluation.json", {name: [] for name in names})
    return RunFile(folder / "evaluation.json", lambda: read_summary(folder))


def _shapes(folder: Path) -> RunFile:
    path = folder / "shapes.safetensors"
    save_shapes(path, {"a": torch.rand(2, 5, 4), "b": torch.rand(3, 5, 4)})
    return RunFile(path, lambda: load_shapes(path))


def _config(folder: Path) -> RunFile:
    path = folder / "config.json"
    write_json(path, {"format": 1, "config": MiningConfig().as_dict()})

    def read() -> None:
        Run(folder).read_config()
        from_file(MiningConfig, path)

    return RunFile(path, read)


def _log(folder: Path) -> RunFile:
    run = Run(folder)
    for step in range(3):
        run.append_log({"step": step, "loss": 0.5})
    return RunFile(run.log, run.read_log)


def _pixels(folder: Path) -> RunFile:
    (folder / "pixels.bin").write_bytes(bytes(12))
    write_json(folder / "index.json", {"mark": "x", "bytes": 12, "widths": [4]})
    data, path = folder / "pixels.bin", folder / "index.json"
    return RunFile(path, lambda: read_index(data, path, lambda index: index["mark"] == "x"))


def _scenes(folder: Path) -> RunFile:
    def scene(glyphs: int, cells: int) -> Scene:
        one = np.ones((glyphs, 3), np.float32)
        places = np.arange(glyphs)
        return Scene(places, places, one[:, 0], one[:, :2], one, np.ones((cells, 3), np.float32))

    path = folder / "scenes.safetensors"
    save_scenes(path, [scene(3, 9), scene(0, 4)], "mark")
    return RunFile(path, lambda: load_scenes(path))


def _occurrences(folder: Path) -> RunFile:
    ink, places = np.ones((4, 5, 3), np.uint8), np.arange(4, dtype=np.float32)
    numbers = np.array([0, 0, 1, 2])
    path = folder / "occurrences.safetensors"
    found = Occurrences(ink, ink, numbers, numbers, places, places, places)
    save_occurrences(path, found, ["a", "b", "c"])
    return RunFile(path, lambda: load_occurrences(path))


def _prototypes(folder: Path) -> RunFile:
    path = folder / "prototypes.safetensors"
    save_prototypes(path, make_prototypes(0, ("A", "B"), "ab"), {"field": "document"})
    return RunFile(path, lambda: load_prototypes(path))


def _groups(folder: Path) -> RunFile:
    path = folder / "groups.json"
    save_groups(path, [Group("one", "document", "x", (0, 2)), Group("two", "document", "x", (1,))],
                ["a", "b", "c"])  # fmt: skip
    return RunFile(path, lambda: load_groups(path, ["a", "b", "c"]))


def _mining_about(folder: Path) -> RunFile:
    run = MiningFolder(folder)
    run.write_config(tiny_about().as_dict())
    return RunFile(run.config, run.about)


def _maps(folder: Path) -> RunFile:
    array = np.ones((1, 2, 3, 4), np.float32)
    maps = [
        PictureMaps(i, f"{i}.png", ("a",), array[:, 0], array, array[0, 0], 4, draws)
        for i, draws in enumerate((None, 20))
    ]
    settings = {"pictures": 2, "piece": 2, "model": "base"}
    write_piece(folder, 0, maps, (), settings)

    def read() -> None:
        check_piece(folder, 0, maps_settings(folder))
        skipped_of(folder, 0)
        list(read_maps(folder))

    return RunFile(next(folder.glob("*.safetensors")), read)


def _bars(folder: Path) -> RunFile:
    path, settings = folder / "rounds" / "bars-01.json", {"model": "base", "round": 1}
    path.parent.mkdir()
    write_bars(path, settings, {"a": 0.25, "b": None})
    return RunFile(path, lambda: read_bars(path, settings, ("a", "b")))


def _times(folder: Path) -> RunFile:
    path, settings = folder / "times.json", {"model": "base"}
    write_density(path, settings, TimeDensity(-2.5, 0.75), [0.3, 0.2, 0.1])
    return RunFile(path, lambda: read_density(path, settings))


def _surrogate(folder: Path) -> RunFile:
    path, settings = folder / "surrogate.safetensors", {"model": "base"}
    surrogate = Surrogate(3, 2, 1, 4)
    followed = {"typicality": 0.9, "null": 0.8, "information": 0.7, "explained": 0.6}
    about = {"settings": settings, "built": surrogate.built, "coefficients": followed}
    save_tensors(path, surrogate.state_dict(), about)
    return RunFile(path, lambda: read_surrogate(path, settings))


def _teaching(folder: Path) -> RunFile:
    """What an interrupted job left of a surrogate that it was teaching."""
    path, settings = folder / "surrogate-part.safetensors", {"model": "base"}

    def teaching() -> Distillation:
        schedule = NoiseSchedule(torch.linspace(0.99, 0.01, 10), "sample")
        surrogate = Surrogate(3, 1, 0, 4)
        model = SurrogatePredictor(Surrogate(3, 1, 0, 4), schedule, 64)
        pool = Pool([torch.zeros(3, 4, 4)], [(1,)], 4)
        return Distillation(model, surrogate, pool, TypicalityConfig(), 3)

    begun = teaching()
    begun.advance()
    save_tensors(path, begun.state(), {"settings": settings})
    return RunFile(path, lambda: _restore(teaching(), path, settings))


def _elements(folder: Path) -> RunFile:
    path = folder / "elements.parquet"
    write_table(path, make_table())
    return RunFile(path, lambda: read_table(path))


def _clusters(folder: Path) -> RunFile:
    table, path = make_table(), folder / "clusters.json"
    one = Cluster(0, 2, 0.1, 0.01, None, (0, 1), 1, 0.0, 0.5)
    write_clusters(path, Clustering({"a": (one,)}, {"a": ()}, {"a": 0.5}), table)
    return RunFile(path, lambda: read_clusters(path, table))


def _features(folder: Path) -> RunFile:
    table, path = make_table(), folder / "features.safetensors"
    save_features(path, torch.rand(len(table), 5), {"table": table.digest()})
    return RunFile(path, lambda: load_features(path, table))


def _finetuning(folder: Path) -> RunFile:
    about, run = tiny_about(), MiningFolder(folder)
    told = {"key": _key(about), "progress": vars(Progress(step=3, total=6))}
    save_tensors(run.checkpoint, {"sum": torch.zeros(1)}, told)
    return RunFile(run.checkpoint, lambda: read_progress(run, about))


def _denoiser(part: str) -> Callable[[Path], RunFile]:
    def make(folder: Path) -> RunFile:
        about = tiny_about()
        save_denoiser(tiny_small(), folder / "denoiser", about)
        return RunFile(
            folder / "denoiser" / part, lambda: load_denoiser(folder / "denoiser", about)
        )

    return make


def _parallel(folder: Path) -> tuple[ParallelFolder, ParallelAbout]:
    about = tiny_about()
    run = {"name": "run", "path": "run", "model": "finetuned", "digest": "0"}
    told = ParallelAbout(
        TranslationConfig(), run, {"name": "x", "path": "x", "digest": "0"}, about.prompt,
        LABELS, 16, 2, {"features": [], "attention": []}, {},
    )  # fmt: skip
    return ParallelFolder(folder), told


def _parallel_about(folder: Path) -> RunFile:
    parallel, told = _parallel(folder)
    parallel.write_config(told.as_dict())
    return RunFile(parallel.config, parallel.about)


def _translations(folder: Path) -> RunFile:
    parallel, _ = _parallel(folder)
    names = ("pictures/000000/b.png", "pictures/000000/real.png", "pictures/000000/again.png")
    parallel.write_rows(0, [Translation(0, "x.png", "a", "b", *names, 1.0, 9.0, 0.5, None)])

    def read() -> None:
        for row in parallel.read_rows(0):
            for name in (row.file, row.real, row.reconstruction):
                assert (folder / name).resolve().is_relative_to(folder.resolve())

    return RunFile(parallel.rows(0), read)


def _sequences(folder: Path) -> RunFile:
    path = folder / "sequences.parquet"
    sequences.write_sequences(path, sequences_table(np.arange(4.0)))
    return RunFile(path, lambda: sequences.read_sequences(path))


def _sequence_clusters(folder: Path) -> RunFile:
    path = folder / "clusters.json"
    one = SequenceCluster(0, 1, 0.1, None, None, 1, {"a": 1}, (0.1, 0.2), (0,))
    cotypical_run.write_clusters(path, [one])
    return RunFile(path, lambda: cotypical_run.read_clusters(path))


def _samples(folder: Path) -> RunFile:
    samples = SampleFolder(folder)
    samples.write(Samples({"model": "base", "seed": 0}, LABELS, (1.0, 7.5), 2, (16, 16)))
    return RunFile(samples.about, samples.read)


def _doersch_about(folder: Path) -> RunFile:
    run = DoerschFolder(folder)
    run.write_config(DoerschAbout(TINY_DOERSCH, LABELS, {"name": "x"}, {}).as_dict())
    return RunFile(run.config, run.about)


def _doersch_clusters(folder: Path) -> RunFile:
    run = DoerschFolder(folder)
    member = Member("x.png", 0, 0, 5, 5, 0.3)
    cluster = PatchCluster(0, 0.5, None, member, (member, member), 1)
    path = run.write_clusters(0, LabelClusters("a", 3, 9, 1, {"x": 1.0}, {"x": 1.0}, (cluster,)))
    return RunFile(path, lambda: run.read_clusters(0))


def _matcher(folder: Path) -> RunFile:
    path = folder / "model.safetensors"
    save_matcher(path, Matcher(MatcherOptions()), [{"name": "x", "digest": "0"}])
    return RunFile(path, lambda: load_matcher(path, torch.device("cpu")))


def _recogniser(folder: Path) -> RunFile:
    from typica.baselines.recogniser import Recogniser, _network

    options = RecogniserOptions(height=16, channels=(2, 2, 2, 2), hidden=3)
    path = folder / "model.safetensors"
    network = _network(options, ("a", "b"))
    Recogniser(network, options, ("a", "b"), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)).save(path)
    return RunFile(path, lambda: load_recogniser(path))


def _loop(folder: Path) -> RunFile:
    run = Run(folder)

    def train() -> None:
        torch.manual_seed(0)
        module = torch.nn.Linear(2, 1)
        train_module(
            run,
            module,
            lambda step, total: {"loss": module(torch.ones(1, 2)).square().sum()},
            LoopOptions(3, 0.1),
            {"of": "a test"},
            show_progress=False,
        )

    train()
    return RunFile(run.checkpoint, train)


RUN_FILES: dict[str, Callable[[Path], RunFile]] = {
    "typewriter": _typewriter,
    "typewriter with variants": lambda folder: _typewriter(folder, "sprites.allographs=2"),
    "training": _training,
    "names of sprites": _naming,
    "guide": _guide,
    "readings": _readings,
    "evaluation": _summary,
    "shapes": _shapes,
    "config.json": _config,
    "log": _log,
    "index of pixels": _pixels,
    "scenes": _scenes,
    "occurrences": _occurrences,
    "prototypes": _prototypes,
    "groups": _groups,
    "mining run": _mining_about,
    "maps": _maps,
    "bars of draws by need": _bars,
    "density of times": _times,
    "surrogate": _surrogate,
    "surrogate that is being taught": _teaching,
    "elements": _elements,
    "clusters": _clusters,
    "features": _features,
    "fine-tuning": _finetuning,
    "denoiser: codec": _denoiser("codec.json"),
    "denoiser: labels": _denoiser("conditioner.safetensors"),
    "denoiser: scheduler": _denoiser("scheduler/scheduler_config.json"),
    "denoiser: unet": _denoiser("unet/config.json"),
    "parallel set": _parallel_about,
    "translations": _translations,
    "sequences": _sequences,
    "clusters of sequences": _sequence_clusters,
    "samples": _samples,
    "patches: run": _doersch_about,
    "patches: clusters": _doersch_clusters,
    "matcher": _matcher,
    "recogniser": _recogniser,
    "checkpoint": _loop,
}
"""By name: what writes the file into a new folder."""
