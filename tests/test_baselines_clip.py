"""The image-text baseline, on a tiny CLIP that is built here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from typica.baselines.clip.model import load_clip, patch_scores
from typica.cli import main
from typica.errors import DataError
from typica.mining.feature_store import load_features
from typica.mining.folder import MiningFolder
from typica.mining.maps import read_maps
from typica.mining.table import read_table

from .mining_helpers import LABELS, tiny_pictures, tiny_tokenizer


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A random CLIP of 16 px squares with patches of 4, saved as transformers does."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    tokenizer = tiny_tokenizer()
    shared = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }  # fmt: skip
    text = shared | {
        "vocab_size": len(tokenizer), "max_position_embeddings": 24,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    vision = shared | {"image_size": 16, "patch_size": 4}
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(image_mean=[0.5] * 3, image_std=[0.25] * 3).save_pretrained(folder)
    return folder


def test_tokens_are_projected_each_and_the_grid_keeps_the_proportions(clip):
    scorer = load_clip(clip)
    assert (scorer.patch, scorer.native) == (4, 16)
    pixels = np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    tokens = scorer.tokens(pixels)
    assert tokens.shape == (16, 4, 6)
    values = torch.from_numpy((pixels / 255 - 0.5) / 0.25).float().permute(2, 0, 1)[None]
    with torch.inference_mode():
        hidden = scorer.model.vision_model(
            pixel_values=values, interpolate_pos_encoding=True
        ).last_hidden_state
        one = scorer.model.vision_model.post_layernorm(hidden[:, 1 + 1 * 6 + 2])
        slow = F.normalize(scorer.model.visual_projection(one), dim=1)[0]
    torch.testing.assert_close(tokens[:, 1, 2], slow, atol=1e-5, rtol=1e-4)


def test_scores_are_cosines_and_their_difference(clip):
    scorer = load_clip(clip)
    null, *labels = scorer.texts(["a", "b c", "d"])
    tokens = F.normalize(torch.randn(16, 3, 2, generator=torch.Generator().manual_seed(0)), dim=0)
    found = patch_scores(tokens, torch.stack(labels), null)
    alone = patch_scores(tokens, torch.stack(labels), None)
    for k, label in enumerate(labels):
        for place in ((0, 0), (2, 1)):
            patch = tokens[:, place[0], place[1]]
            slow = F.cosine_similarity(patch, label, 0) - F.cosine_similarity(patch, null, 0)
            torch.testing.assert_close(found[k][place], slow, atol=1e-5, rtol=1e-4)
            assert alone[k][place] == pytest.approx(float(patch @ label), abs=1e-6)
    same = scorer.model.get_text_features(**scorer.tokenizer("b c", return_tensors="pt"))
    same = getattr(same, "pooler_output", same)
    torch.testing.assert_close(labels[0], F.normalize(same, dim=1)[0], atol=1e-5, rtol=1e-4)


def test_a_folder_that_will_not_do_is_refused(clip, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_clip(tmp_path / "none")
    with pytest.raises(DataError, match=r"no \.safetensors"):
        load_clip(tmp_path)
    for file in clip.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(DataError, match="'bert'"):
        load_clip(tmp_path)
    with pytest.raises(DataError, match="tokens"):
        load_clip(clip).texts(["x" * 40])


def test_one_command_mines_and_does_nothing_twice(clip, tmp_path, capsys):
    data = tiny_pictures(tmp_path / "data", count=4).root
    out = tmp_path / "run"
    command = ["baseline", "clip", str(data), "--model", str(clip), "--out", str(out)]
    command += ["--prompt", "a {label}.", "--null", "a."]
    command += ["--set", "clusters.count=2", "clusters.starts=1", "elements.per_picture=2"]
    assert main(command) == 0
    assert "scored 12 pictures" in capsys.readouterr().out
    folder = MiningFolder(out)
    table = read_table(folder.elements("base"))
    assert table.labels == LABELS
    assert np.isnan(table.error).all()
    maps = list(read_maps(folder.maps("base")))
    assert {one.typicality.shape for one in maps} == {(3, 4, 4), (3, 4, 5)}
    lengths = load_features(folder.features("base"), table).norm(dim=1)
    assert lengths.numpy() == pytest.approx(np.ones(len(table)), abs=1e-3)
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "image-text model" in page
    assert main(command) == 0
    assert "scored 0 pictures" in capsys.readouterr().out
    assert main([*command, "--score", "similarity"]) == 2
    assert main(["mine", "search", str(out), "--model", "base", "--row", "0"]) == 0
