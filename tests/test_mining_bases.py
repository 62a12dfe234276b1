"""Bases: loading, refusing, keeping; the small model's wiring."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from typica.errors import DataError, RunError
from typica.mining.bases import codec_factor, load_base, load_denoiser, save_denoiser
from typica.mining.small import build_small

from .mining_helpers import LABELS, tiny_about, tiny_config, tiny_pipeline, tiny_small


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Path:
    return tiny_pipeline(tmp_path_factory.mktemp("base") / "tiny", "v_prediction")


def change_json(file: Path, **values) -> None:
    known = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(known | values), encoding="utf-8")


def same(one, other) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# the small model


def test_small_is_a_function_of_its_seed():
    state = torch.random.get_rng_state()
    one, again, other = tiny_small(1), tiny_small(1), tiny_small(2)
    assert torch.equal(state, torch.random.get_rng_state())
    assert same(one, again)
    assert not same(one, other)


@pytest.mark.parametrize("channels", [(32, 64), (32, 32, 64)])
def test_the_label_reaches_every_block(channels):
    config = replace(tiny_config().small, channels=channels)
    denoiser = build_small(config, LABELS, 0).eval()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight)
    x, times = torch.randn(2, 12, 8, 8), torch.tensor([300, 300])
    seen: list[torch.Tensor] = []
    blocks = [m for m in denoiser.unet.modules() if type(m).__name__ == "ResnetBlock2D"]
    for block in blocks:
        block.time_emb_proj.register_forward_hook(lambda _m, _i, out: seen.append(out))
    x = x[:1].repeat(2, 1, 1, 1)
    output = denoiser.output(x, times, denoiser.condition(["a", "b"]))
    assert len(seen) == len(blocks) > 4
    assert all(not torch.allclose(out[0], out[1]) for out in seen)
    assert not torch.allclose(output[0], output[1])
    # and cross-attention everywhere but on the finest grid
    kinds = [type(block).__name__ for block in denoiser.unet.down_blocks]
    assert kinds == ["DownBlock2D", *["CrossAttnDownBlock2D"] * (len(channels) - 1)]


def test_gradients_reach_every_weight_of_small():
    denoiser = tiny_small().train()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight)
    x = torch.randn(3, 12, 8, 8)
    condition = denoiser.condition(["a", "b", None])
    denoiser.loss(x, torch.randn_like(x), torch.tensor([10, 400, 900]), condition).sum().backward()
    without = [n for n, w in denoiser.named_parameters() if w.grad is None or not w.grad.any()]
    # attention to a single token has only one answer, so what asks for it learns nothing; and
    # pooling by heads is free of the bias of its keys
    assert all(
        ".attn2.to_q" in n or ".attn2.to_k" in n or ".norm2" in n or "k_proj.bias" in n
        for n in without
    ), without
    assert denoiser.conditioner.table.weight.grad.abs().sum(dim=1).bool().tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_an_unknown_label_is_named():
    with pytest.raises(DataError, match="'z' is unknown"):
        tiny_small().condition(["z"])


@pytest.mark.parametrize("moved", [False, True])
def test_small_comes_back(tmp_path, moved):
    about = tiny_about()
    denoiser = load_base("small", about)
    torch.nn.init.normal_(denoiser.unet.conv_out.weight)
    folder = tmp_path / "run" / "denoiser"
    save_denoiser(denoiser, folder, about)
    if moved:  # killed between the two halves of an exchange
        folder.rename(folder.with_name(".denoiser-old"))
    read = load_denoiser(folder, about)
    assert same(denoiser, read)
    assert torch.equal(denoiser.schedule.signal, read.schedule.signal)
    assert read.schedule.prediction == denoiser.schedule.prediction
    x, times = torch.randn(1, 12, 8, 8), torch.tensor([500])
    # not somewhere within a file: some processors' last digits depend on the address
    assert all(value.data_ptr() % 16 == 0 for value in read.parameters())
    outputs = [d.output(x, times, d.condition(["b"])) for d in (denoiser, read)]
    assert torch.equal(*outputs)
    save_denoiser(tiny_small(9), folder, about)
    assert same(load_denoiser(folder, about), tiny_small(9))
    assert [p.name for p in folder.parent.iterdir()] == ["denoiser"]


def test_diffusers_reads_the_small_unet(tmp_path):
    from diffusers import DDIMScheduler, UNet2DConditionModel

    denoiser = tiny_small()
    save_denoiser(denoiser, tmp_path / "d", tiny_about())
    assert same(
        UNet2DConditionModel.from_pretrained(tmp_path / "d", subfolder="unet"), denoiser.unet
    )
    scheduler = DDIMScheduler.from_pretrained(tmp_path / "d", subfolder="scheduler")
    assert torch.equal(scheduler.alphas_cumprod, denoiser.schedule.signal)


def test_a_denoiser_of_other_labels_is_refused(tmp_path):
    save_denoiser(tiny_small(), tmp_path / "d", tiny_about())
    with pytest.raises(RunError, match="trained with the labels a, b, c"):
        load_denoiser(tmp_path / "d", tiny_about(labels=("a", "b", "d")))


def test_a_missing_or_damaged_denoiser_is_said(tmp_path):
    with pytest.raises(RunError, match=r"no fine-tuned model.*mine finetune`.*--model base"):
        load_denoiser(tmp_path / "d", tiny_about())
    save_denoiser(tiny_small(), tmp_path / "d", tiny_about())
    weights = tmp_path / "d" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(RunError, match="damaged"):
        load_denoiser(tmp_path / "d", tiny_about())


@pytest.mark.parametrize(
    ("part", "holds", "message"),
    [
        ("scheduler/scheduler_config.json", None, r"scheduler lacks scheduler_config\.json"),
        ("scheduler/scheduler_config.json", '"x"', "no description of a model"),
        ("unet/config.json", '"owner/model"', "no description of a model"),
        ("unet/config.json", "[" * 5, "cannot be read"),
        ("unet/config.json", '{"layers_per_block": 1129754}', "layers_per_block is more than"),
        ("unet/config.json", '{"layers_per_block": [1, 1129754]}', "layers_per_block is more than"),
    ],
)
def test_a_description_that_is_none_asks_nobody(tmp_path, monkeypatch, part, holds, message):
    """Where it is missing, or a text, diffusers would ask the hub's library: the network."""
    import huggingface_hub

    save_denoiser(tiny_small(), tmp_path / "d", tiny_about())
    (tmp_path / "d" / part).unlink()
    if holds is not None:
        (tmp_path / "d" / part).write_text(holds)
    asked: list[object] = []
    for module in (huggingface_hub, sys.modules["diffusers.configuration_utils"]):
        monkeypatch.setattr(module, "hf_hub_download", lambda *a, **k: asked.append(a))
    with pytest.raises(RunError, match=message):
        load_denoiser(tmp_path / "d", tiny_about())
    assert asked == []


def test_sizes_that_only_a_description_has_take_no_memory(tmp_path):
    save_denoiser(tiny_small(), tmp_path / "d", tiny_about())
    file = tmp_path / "d" / "unet" / "config.json"
    held = json.loads(file.read_text())
    file.write_text(json.dumps(held | {"cross_attention_dim": 2**31}))  # 256 GB a matrix
    with pytest.raises(RunError, match="unet cannot be loaded"):
        load_denoiser(tmp_path / "d", tiny_about())


# pipelines


def test_a_pipeline_is_read_and_kept_whole(pipeline, tmp_path):
    from diffusers import StableDiffusionPipeline

    about = tiny_about(pipeline, factor=4)
    denoiser = load_base(str(pipeline), about)
    assert denoiser.schedule.prediction == "v_prediction"
    assert denoiser.codec.factor == codec_factor(str(pipeline), about.config) == 4
    with torch.no_grad():
        next(denoiser.unet.parameters()).add_(1)  # "fine-tuned"
    save_denoiser(denoiser, tmp_path / "d", about)
    read = load_denoiser(tmp_path / "d", about)
    assert same(denoiser, read)
    x, times = torch.randn(2, 4, 8, 8), torch.tensor([500, 3])
    outputs = [d.output(x, times, d.condition(["b", None])) for d in (denoiser, read)]
    assert torch.equal(*outputs)
    # an ordinary folder for other tools
    theirs = StableDiffusionPipeline.from_pretrained(tmp_path / "d", use_safetensors=True)
    assert same(theirs.unet, denoiser.unet)
    assert same(theirs.text_encoder, denoiser.conditioner.text_encoder)
    hidden, _ = theirs.encode_prompt("An image of b.", "cpu", 1, False)
    torch.testing.assert_close(hidden, denoiser.condition(["b"]), atol=1e-5, rtol=1e-5)
    drawn = theirs("An image of b.", num_inference_steps=2, output_type="np", height=32, width=32)
    assert drawn.images.shape == (1, 32, 32, 3)


def test_codec_is_the_vae_of_the_pipeline(pipeline):
    denoiser = load_base(str(pipeline), tiny_about(pipeline, factor=4))
    pixels = torch.rand(2, 3, 16, 24) * 2 - 1
    with torch.no_grad():
        latents = denoiser.codec.encode(pixels)
        wanted = denoiser.codec.vae.encode(pixels).latent_dist.mode() * 0.18215
        assert denoiser.codec.decode(latents).shape == pixels.shape
    torch.testing.assert_close(latents, wanted)


def test_factor_of_small():
    assert codec_factor("small", tiny_config()) == 2


@pytest.mark.parametrize("base", ["somebody/some-model", "no-such-model"])
def test_a_base_that_is_nowhere(base, monkeypatch):
    import huggingface_hub

    def offline(*_args, **_kwargs):
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    for call in (
        lambda: load_base(base, tiny_about(base)),
        lambda: codec_factor(base, tiny_config()),
    ):
        with pytest.raises(DataError, match=r"neither a folder here, nor .* hub"):
            call()


@pytest.mark.parametrize("base", ["./models/sd", "/no/such/folder", "a/b/c"])
def test_a_path_that_is_nowhere_is_not_looked_up(base, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    with pytest.raises(DataError, match="no such folder"):
        load_base(base, tiny_about(base))


@pytest.fixture
def copy(pipeline, tmp_path) -> Path:
    return Path(shutil.copytree(pipeline, tmp_path / "copy"))


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        load_base(str(folder), tiny_about(folder, factor=4))
    return str(raised.value)


def test_folders_that_lack_something(copy):
    shutil.rmtree(copy / "vae")
    assert "vae/ is missing" in refused(copy)
    with pytest.raises(DataError, match=r"holds no vae/config\.json"):
        codec_factor(str(copy), tiny_config())
    (copy / "model_index.json").unlink()
    assert "no model_index.json" in refused(copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}, "two text encoders"),
        ({"text_encoder": ["transformers", "T5EncoderModel"]}, "T5EncoderModel"),
        ({"unet": None, "transformer": ["diffusers", "SD3Transformer2DModel"]}, "without unet"),
        ({"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}, "FlowMatch"),
        ({"scheduler": ["os", "system"]}, "scheduler is system"),
        ({"scheduler": ["diffusers", "StableDiffusionPipeline"]}, "StableDiffusionPipeline"),
        ({"scheduler": ["diffusers", "UNet2DModel"]}, "UNet2DModel"),
        ({"scheduler": ["diffusers", "logging"]}, "logging"),
    ],
)
def test_other_kinds_are_refused_by_name(copy, change, said):
    change_json(copy / "model_index.json", **change)
    message = refused(copy)
    assert said in message
    assert "Supported are Stable Diffusion 1.x and 2.x" in message


def test_damaged_and_incomplete_weights(copy):
    from safetensors.torch import load_file, save_file

    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights.pop("conv_in.weight")
    save_file(weights, file, {"format": "pt"})
    assert "conv_in.weight" in refused(copy)
    file.write_bytes(b"nonsense")
    assert "its unet cannot be loaded" in refused(copy)


def test_incomplete_text_encoder(copy):
    from safetensors.torch import load_file, save_file

    file = copy / "text_encoder" / "model.safetensors"
    weights = load_file(file)
    gone = sorted(weights)[0]
    weights.pop(gone)
    save_file(weights, file, {"format": "pt"})
    assert "text_encoder lacks 1 tensors" in refused(copy)


def test_pickles_are_never_read(copy):
    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        source = copy / part / f"{stem}.safetensors"
        held = source.read_bytes()
        source.unlink()
        bin_name = "pytorch_model.bin" if part == "text_encoder" else f"{stem}.bin"
        (copy / part / bin_name).write_bytes(b"\x80\x04cos\nsystem\n")
        assert "pickles are never read" in refused(copy)
        source.write_bytes(held)


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
@pytest.mark.parametrize("name", ["weights.bin", "../../elsewhere.safetensors", 7])
def test_an_index_names_only_safetensors_beside_it(copy, part, name):
    stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
    index = copy / part / f"{stem}.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"some.weight": name}}))
    assert "no safetensors file beside it" in refused(copy)
    index.write_text("{")
    assert "cannot be read" in refused(copy)


def test_an_adapter_is_not_followed(copy):
    (copy / "unet" / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "somebody/else"})
    )
    assert "adapter" in refused(copy)


def test_half_precision_variants_are_read_as_float32(copy):
    from safetensors.torch import load_file, save_file

    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        file = copy / part / f"{stem}.safetensors"
        weights = {name: value.half() for name, value in load_file(file).items()}
        save_file(weights, file.with_name(f"{stem}.fp16.safetensors"), {"format": "pt"})
        file.unlink()
    denoiser = load_base(str(copy), tiny_about(copy, factor=4))
    assert {w.dtype for w in denoiser.parameters()} == {torch.float32}


def test_an_inpainting_unet_is_refused(copy):
    from diffusers import UNet2DConditionModel

    UNet2DConditionModel(
        in_channels=9,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        cross_attention_dim=32,
        norm_num_groups=16,
    ).save_pretrained(copy / "unet")
    assert "inpainting" in refused(copy)
