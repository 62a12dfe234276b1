"""Hugging Face data sets: saved to disk, a folder of their files, or by id.

Their pictures live inside of tables. Every later step wants files, so pictures are written out
once, as the bytes that they are (no decoding, nothing lost), into a cache folder under names made
of their content: what is there already is never written again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...errors import DataError, DependencyError, damage
from ...files import write_bytes
from ...picture_files import is_picture
from ...sources import Fault
from ...values import SPLIT_NAMES
from ..options import PictureOptions
from .source import Inside, RawPicture, Reading
from .table import LABEL_NAMES, PATH_NAMES, column

__all__ = ["is_saved", "read_datasets"]

_MARKS = ("dataset_dict.json", "state.json")
"""What `save_to_disk` leaves in a folder."""

_FORMATS = ("parquet", "arrow", "csv", "json", "imagefolder")
"""Kinds of files that are read. `datasets` knows many more, some of which call other programs
or open what is inside of an archive by its name, tensors of torch among it."""

_MAGIC = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"RIFF", ".webp"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
    (b"\x00\x00\x00\x0cjP", ".jp2"),
    (b"P6", ".ppm"),
)


def is_saved(folder: Path) -> bool:
    """True if a folder was made by `save_to_disk` of Hugging Face `datasets`."""
    return any((folder / mark).is_file() for mark in _MARKS)


def read_datasets(path: str, options: PictureOptions) -> Reading:
    """Read a Hugging Face data set.

    Arguments:
        path: A folder made by `save_to_disk`, a folder of data files, or an id of the hub.
        options: Columns, configuration, revision, and where pictures are written out.

    Returns:
        The pictures with ids such as `train/000012`, and what was set aside.

    Raises:
        DataError: If it cannot be loaded or has no such columns.
        DependencyError: If `datasets` is missing.
    """
    parts = _load(path, options)
    reading = Reading()
    cache = options.cache or _default_cache()
    # A lone `train` is only how the hub calls a data set that is not split.
    named = len(parts) > 1 or any(name.lower() not in {"train", "full", "all"} for name in parts)
    for name, rows in parts.items():
        pictures = column(
            rows.column_names, options.path_column, ("image", *PATH_NAMES), "paths", path
        )
        labels = column(rows.column_names, options.label_column, LABEL_NAMES, "labels", path)
        splits = options.split_column
        if splits is not None:
            splits = column(rows.column_names, splits, (), "splits", path)
        split = name if named and name.lower() in SPLIT_NAMES else None
        for number, (value, label, given) in enumerate(_rows(rows, pictures, labels, splits)):
            where = f"{name} {number}"
            try:
                file = _file(value, cache, Path(path))
            except Fault as fault:
                reading.set_aside(Path(path), fault, where)
                continue
            identity = f"{name}/{number:06d}"
            reading.pictures.append(
                RawPicture(identity, file, label, given or split, Path(path), where)
            )
    return reading


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "typica" / "pictures"


def _load(path: str, options: PictureOptions) -> dict[str, Any]:
    """The parts of a data set by the names of their splits."""
    try:
        import datasets
    except ImportError as error:
        raise DependencyError(
            f"{path}: Hugging Face data sets need datasets: pip install 'typica[datasets]'"
        ) from error
    try:
        if is_saved(Path(path)):
            _check_saved(Path(path))
            found = datasets.load_from_disk(path)
        else:
            builder = datasets.load_dataset_builder(path, options.subset, revision=options.revision)
            _check_format(path, builder)
            builder.download_and_prepare()
            found = builder.as_dataset()
    except damage(datasets.exceptions.DatasetsError) as error:
        what = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{path}: cannot be loaded as a Hugging Face data set ({what}). Check the id or "
            "folder, the connection, and the options subset and revision."
        ) from error
    if isinstance(found, datasets.Dataset):
        return {str(found.split or "train"): found}
    return {str(name): part for name, part in found.items()}


def _check_format(path: str, builder: Any) -> None:
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in _FORMATS:
        raise DataError(
            f"{path}: a data set of kind {kind}. Read are {', '.join(_FORMATS)}; save it as "
            "Parquet, or its pictures as a folder for each label."
        )


def _check_saved(folder: Path) -> None:
    """Refuse a saved data set whose own list of files leads out of its folder."""
    parts = [folder]
    splits, state = _MARKS
    if (folder / splits).is_file():
        names = json.loads((folder / splits).read_text(encoding="utf-8"))["splits"]
        parts = [folder / _plain_name(folder, name) for name in names]
    for part in parts:
        if (part / state).is_file():
            values = json.loads((part / state).read_text(encoding="utf-8"))
            for one in values["_data_files"]:
                _plain_name(folder, one["filename"])


def _plain_name(folder: Path, name: Any) -> str:
    if not isinstance(name, str) or name in {"", ".", ".."} or not name.isprintable():
        raise ValueError(f"names a file {name!r}")
    if "/" in name or "\\" in name:
        raise DataError(
            f"{folder}: names a file outside of its folder ({name}). Save the data set again."
        )
    return name


def _rows(
    rows: Any, pictures: str, labels: str, splits: str | None
) -> Iterator[tuple[Any, Any, Any]]:
    """Picture (undecoded), label as text or number, and split of every row."""
    import datasets

    kind = rows.features[labels]  # a list of labels has its kind inside
    names = getattr(getattr(kind, "feature", kind), "int2str", None)

    def named(label: Any) -> Any:
        if isinstance(label, list):
            return [named(one) for one in label]
        if names is None or not isinstance(label, int):
            return label
        return names(label) if label >= 0 else None

    if isinstance(rows.features[pictures], datasets.Image):
        rows = rows.cast_column(pictures, datasets.Image(decode=False))
    wanted = [pictures, labels] + ([splits] if splits else [])
    for row in tqdm(
        rows.select_columns(wanted),
        "pictures",
        unit="picture",
        delay=2.0,
        leave=False,
        disable=None,
    ):
        yield row[pictures], named(row[labels]), row[splits] if splits else None


def _file(value: Any, cache: Path, folder: Path) -> Path:
    """The file of a picture: its own in the folder of the data set, or one in the cache."""
    data = value.get("bytes") if isinstance(value, dict) else None
    path = value.get("path") if isinstance(value, dict) else value
    if data:
        return _written(data, cache)
    if not isinstance(path, str) or not path:
        raise Fault("has no picture", "Choose another column of pictures, or take the row out.")
    file = Path(path) if os.path.isabs(path) else folder / path
    if not is_picture(file.name):
        raise Fault("its file is no picture that is read", "Save it as JPEG or PNG.")
    for root in (folder, *_hub_folders()):
        try:
            Inside(root).check(file)
        except Fault:
            continue
        return file
    raise Fault(
        "its file is outside of the data set",
        "Save the data set with its pictures in it (`save_to_disk` after `embed_external_files`), "
        "or give the folder of pictures.",
    )


def _hub_folders() -> tuple[Path, ...]:
    """Where `datasets` itself puts what it downloads."""
    import datasets

    return Path(datasets.config.HF_CACHE_HOME), Path(datasets.config.HF_DATASETS_CACHE)


def _written(data: bytes, cache: Path) -> Path:
    """The file with these bytes, written if it is not there."""
    ending = next((one for magic, one in _MAGIC if data.startswith(magic)), None)
    if ending is None:
        raise Fault("its picture is of a format that is not read", "Save it as JPEG or PNG.")
    name = hashlib.sha256(data).hexdigest()[:40]
    file = cache / name[:2] / f"{name}{ending}"
    try:
        if not file.is_file() or file.stat().st_size != len(data):
            write_bytes(file, data)
    except OSError as error:
        raise DataError(
            f"{file}: cannot be written ({error.strerror or error}). Make room there, or choose "
            "another folder with the option cache."
        ) from error
    return file
