"""Injection: the published places, what the hooks do, that they are taken off, and the loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from typica.errors import ConfigError
from typica.mining.translation.injection import choose_places, injecting
from typica.mining.translation.inversion import invert
from typica.mining.translation.options import TranslationConfig
from typica.mining.translation.translating import translate

from .translation_helpers import small_denoiser, tiny_stable_diffusion

SAME = TranslationConfig(
    steps=5,
    inversion_steps=5,
    start=0.5,
    inversion="exact",
    tolerance=1e-6,
    guidance=1,
    features_share=1,
    attention_share=1,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return {
        "small": (small_denoiser(), (12, 8, 8)),
        "stable diffusion": (tiny_stable_diffusion(tmp_path_factory.mktemp("sd")), (4, 8, 8)),
    }


def hooks(unet):
    return sum(len(module._forward_hooks) for module in unet.modules())


def test_the_published_places_in_stable_diffusion():
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=8)  # blocks as in Stable Diffusion 1.5
    places = choose_places(unet)
    assert places.features == ("up_blocks.1.resnets.1.conv2",)
    blocks = [(1, 1), (1, 2), *[(k, n) for k in (2, 3) for n in range(3)]]
    assert places.attention == tuple(
        f"up_blocks.{k}.attentions.{n}.transformer_blocks.0.attn1.to_{what}"
        for k, n in blocks
        for what in "qk"
    )


def test_places_by_resolution_in_another_unet(models):
    unet = models["small"][0].unet  # two levels: the coarser is at half the resolution
    assert choose_places(unet).features == ("up_blocks.0.resnets.1.conv2",)
    assert choose_places(unet, 1).features == ("up_blocks.1.resnets.1.conv2",)
    assert choose_places(unet, 1).attention == ()
    for name in (*choose_places(unet).features, *choose_places(unet).attention):
        unet.get_submodule(name)
    with pytest.raises(ConfigError, match="0 to 1"):
        choose_places(unet, 2)


@pytest.mark.parametrize("name", ["small", "stable diffusion"])
def test_rows_take_what_the_source_answers(models, name):
    denoiser, shape = models[name]
    places = choose_places(denoiser.unet)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    condition = denoiser.condition(["a", "b", "c"])
    times = torch.full((3,), 500)
    seen = {}
    with torch.no_grad(), injecting(denoiser.unet, places) as injection:
        for place in (*places.features, *places.attention):

            def look(module, given, output, place=place):
                seen[place] = output

            # after ours, so it sees what the next layer sees
            denoiser.unet.get_submodule(place).register_forward_hook(look)
        injection.source = torch.tensor([0, 1, 0])
        for features, attention in ((False, False), (True, False), (False, True)):
            injection.features, injection.attention = features, attention
            denoiser.output(x, times, condition)
            for place, output in seen.items():
                same = torch.equal(output[2], output[0])
                assert same == (features if place in places.features else attention)
                assert not torch.equal(output[1], output[0])
    for place in seen:
        denoiser.unet.get_submodule(place)._forward_hooks.clear()


def test_hooks_are_taken_off_also_after_a_failure(models):
    denoiser, _ = models["small"]
    assert hooks(denoiser.unet) == 0
    inside = []

    def fails():
        with injecting(denoiser.unet, choose_places(denoiser.unet)):
            inside.append(hooks(denoiser.unet))
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert inside[0] > 0
    assert hooks(denoiser.unet) == 0


def test_a_batch_of_another_length_is_a_mistake(models):
    denoiser, shape = models["small"]
    with injecting(denoiser.unet, choose_places(denoiser.unet)) as injection:
        injection.source, injection.features = torch.tensor([0, 0, 0]), True
        with pytest.raises(ValueError, match="a batch of 2"):
            denoiser.output(torch.zeros(2, *shape), torch.zeros(2).long(), denoiser.condition("ab"))
    assert hooks(denoiser.unet) == 0


@pytest.mark.parametrize("name", ["small", "stable diffusion"])
def test_injection_changes_nothing_where_source_and_target_agree(models, name):
    denoiser, shape = models[name]
    x = 0.5 * torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    inversion = invert(denoiser, x, ["a", "b"], SAME)
    places = choose_places(denoiser.unet)

    def made(pairs, **changes):
        return translate(denoiser, inversion, ["a", "b"], pairs, replace(SAME, **changes), places)

    own = [(1, "b"), (0, "a")]
    none = {"features_share": 0.0, "attention_share": 0.0}
    injected = made(own)
    agreeing = float((injected - made(own, **none)).abs().max())
    assert agreeing < 1e-4
    assert torch.allclose(injected, x[[1, 0]], atol=1e-3)  # and it is the source that comes out
    # told something else, it is not, and both kinds of injection have a say
    other = [(1, "c"), (0, "c")]
    plain = made(other, **none)
    assert (plain - x[[1, 0]]).abs().max() > 1e-2
    for kind in none:
        changed = (made(other, **none | {kind: 1.0}) - plain).abs().max()
        assert changed > max(1e-5, 5 * agreeing)
    assert hooks(denoiser.unet) == 0


@pytest.mark.parametrize("name", ["small", "stable diffusion"])
def test_guidance_without_injection_is_sampling_from_the_inverted_noise(models, name):
    denoiser, shape = models[name]
    config = replace(SAME, guidance=2.5, features_share=0, attention_share=0)
    x = 0.5 * torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    inversion = invert(denoiser, x, ["a"], config)
    fast = translate(denoiser, inversion, ["a"], [(0, "c")], config, choose_places(denoiser.unet))
    schedule, slow = denoiser.schedule, inversion.latents[-1]
    with torch.no_grad():
        for time, below in ((499, 399), (399, 299), (299, 199), (199, 99), (99, 0)):
            when = torch.tensor([time])
            told = denoiser.output(slow, when, denoiser.condition(["c"]))
            untold = denoiser.output(slow, when, denoiser.condition([None]))
            noise = schedule.noise_from(untold + 2.5 * (told - untold), slow, when)
            clean = schedule.clean_from(noise, slow, when)
            if name == "small":
                clean = clean.clamp(-1, 1)
                noise = (slow - schedule.signal[time].sqrt() * clean) / (
                    1 - schedule.signal[time]
                ).sqrt()
            slow = schedule.add_noise(clean, noise, torch.tensor([below]))
    assert torch.allclose(fast, slow, atol=1e-3)


def test_each_picture_has_its_own_source(models):
    denoiser, shape = models["stable diffusion"]
    config = replace(SAME, guidance=3, features_share=0.5, attention_share=0.5)
    x = 0.5 * torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    places = choose_places(denoiser.unet)
    pairs = [(0, "b"), (1, "c"), (0, "c")]
    inversion = invert(denoiser, x, ["a", "b"], config)
    together = translate(denoiser, inversion, ["a", "b"], pairs, config, places)
    for number, (k, target) in enumerate(pairs):
        alone = invert(denoiser, x[k : k + 1], ["ab"[k]], config)
        one = translate(denoiser, alone, ["ab"[k]], [(0, target)], config, places)
        assert torch.allclose(one[0], together[number], atol=1e-3)
