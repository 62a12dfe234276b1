"""Every choice of a typewriter in one validated value.

A choice that departs from the paper says so beside its default, with the reason. The resolved
configuration is written into the run folder and into the weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..configs import require
from ..templates.options import TemplateOptions

__all__ = [
    "EncoderConfig",
    "LossConfig",
    "PlacementConfig",
    "SelectionConfig",
    "SpriteConfig",
    "TrainingConfig",
    "TypewriterConfig",
]


@dataclass(frozen=True)
class EncoderConfig:
    """The network e that turns a line into features f_1..f_T (section 3.3.1)."""

    kind: Literal["resnet32", "compact"] = "compact"
    """`resnet32` is the paper's; `compact` works at half resolution from its first layer, which
    costs a quarter on a processor without matrix units and reads print as well."""
    step: int = 8
    """Pixels between two positions. The paper has 16 at any height, too coarse for doubled
    narrow letters; 8 at height 48 leaves a position for each."""
    features: int = 64
    """D, the size of a feature (64 in the paper)."""
    mask_padding: bool = True
    """Zero everything beyond a line's own end after every layer, so that its features cannot
    depend on the lines that share its batch. The paper's program does not."""

    recompute: int = 0
    """The first so many blocks of `resnet32` keep no activations: the backward pass computes them
    again. Each saves a twelfth of the memory and costs 2 % of the time."""

    def __post_init__(self) -> None:
        require(self.recompute >= 0, "encoder.recompute: at least 0")
        require(self.kind in ("resnet32", "compact"), f"encoder.kind: no encoder {self.kind!r}")
        require(
            self.step in (4, 8, 16, 32),
            f"encoder.step: {self.step} px cannot be had; choose 4, 8, 16 or 32",
        )
        require(self.features >= 8, f"encoder.features: {self.features} is below 8")


@dataclass(frozen=True)
class SpriteConfig:
    """The sprites s_k = g(z_k): their number, size and generator (section 3.3.2)."""

    generator: Literal["mlp", "marionette", "unet", "pixels"] = "marionette"
    """`mlp`: three layers on a code as large as the sprite (the paper's program); `marionette`:
    two layers on a code of 128 (the paper's text, and ours: as sharp, a tenth of the weights);
    `unet`: Deformable Sprites; `pixels`: no generator, the ablation."""
    height: float = 1.0
    """Sprite height over line height. 0.5 in the paper, which must then shrink letters that
    have both ascender and descender; a full-height sprite draws them at their own size."""
    width: float = 0.75
    """Sprite width over line height (0.5 in the paper)."""
    count: int | None = None
    """K. None takes one sprite per character of the training text or, without a text, per template
    of the guide. A number means to learn without texts (`training.unsupervised`)."""
    allographs: int = 1
    """L, sprites per character; their probabilities are summed for the text loss."""
    more: tuple[str, ...] = ()
    """Characters with one sprite more than the others; one that stands here twice gets two more.
    `typica palaeography allographs` proposes them."""
    initial_opacity: float = 0.12
    """Opacity of a new sprite. The paper's sigmoid starts at 0.5, grey squares that have to be
    erased first; a faint start saves those steps."""
    spread: float | None = None
    """Standard deviation, over the line height, of a bell across the sprite with which its
    opacity starts; None for flat (paper). An attempt (0.125) against sprites that hold a letter
    twice, which it did not cure in short trials."""
    opening: float = 0.35
    """Width over line height of the middle part of the sprites that is drawn first. It widens
    to the whole sprite: a sprite that is wide from the start also learns pieces of the letters
    beside its own, and keeps them. As wide as the sprite or wider for none (paper)."""
    open_until: float = 0.6
    """Share of the steps after which the whole sprite is drawn."""
    border: float = 0.04
    """Share of the sprite's width, left and right, that fades to nothing, so that no ink of a
    neighbour gathers at the edge. 0 in the paper."""

    def __post_init__(self) -> None:
        require(
            self.generator in ("mlp", "marionette", "unet", "pixels"),
            f"sprites.generator: no generator {self.generator!r}",
        )
        require(0.1 <= self.height <= 1.0, "sprites.height: give a share between 0.1 and 1")
        require(0.1 <= self.width <= 2.0, "sprites.width: give a share between 0.1 and 2")
        require(self.count is None or self.count >= 1, "sprites.count: at least 1, or none")
        require(self.allographs >= 1, "sprites.allographs: at least 1")
        require(0 < self.initial_opacity < 1, "sprites.initial_opacity: between 0 and 1")
        require(self.spread is None or self.spread > 0, "sprites.spread: above 0, or none")
        require(self.opening > 0, "sprites.opening: above 0")
        require(0 <= self.open_until <= 1, "sprites.open_until: between 0 and 1")
        require(0 <= self.border < 0.5, "sprites.border: at least 0 and below 0.5")


@dataclass(frozen=True)
class SelectionConfig:
    """The probabilities p_k(f) of eq. 3.2."""

    probability_network: bool = True
    """Predict z^p_k = p(z_k); without it z^p_k are free parameters (ablation `w/o p`)."""
    shared_codes: bool = True
    """Generator and p read the same z_k; otherwise each has its own (ablation)."""

    def __post_init__(self) -> None:
        require(
            self.probability_network or self.shared_codes,
            "selection.shared_codes: without a probability network there are no codes to share; "
            "leave it true",
        )


@dataclass(frozen=True)
class PlacementConfig:
    """Colour, scale, shift and the window of a position (section 3.3.2, appendix B.3)."""

    window: float = 1.0
    """Width of the window over line height (1 in the paper)."""
    centred: bool = True
    """The window sits on the centre of what its feature sees. In the paper's program it sits
    at step * t, half a step to the left."""
    shift: Literal["soft", "clamp"] = "soft"
    """`clamp` is the paper's program: no gradient beyond the limit. `soft` is a tanh, and the
    reach does not shrink with the scale."""
    reach_x: float = 0.25
    """Largest horizontal shift over line height (`soft`)."""
    reach_y: float = 0.15
    """Largest vertical shift over line height (`soft`)."""
    scale_range: float = 0.3
    """Largest absolute log-scale (`soft`); the paper's exp(r) is unbounded."""
    colour: Literal["ink", "paper"] = "ink"
    """`paper`: sigmoid((1 + b) x 0.5 (1 - p_blank)), which starts at 62 % grey and turns darker
    as the position turns blank. `ink`: sigmoid(logit(ink) + b), which starts at the ink colour
    of the collection and does not depend on p."""
    learned_start: bool = True
    """Start background and ink at the collection's own paper and ink colours."""

    def __post_init__(self) -> None:
        require(0.25 <= self.window <= 4, "placement.window: give a factor between 0.25 and 4")
        require(self.shift in ("soft", "clamp"), f"placement.shift: no kind {self.shift!r}")
        require(self.colour in ("ink", "paper"), f"placement.colour: no kind {self.colour!r}")
        require(self.reach_x >= 0, "placement.reach_x: at least 0")
        require(self.reach_y >= 0, "placement.reach_y: at least 0")
        require(self.scale_range >= 0, "placement.scale_range: at least 0")


@dataclass(frozen=True)
class LossConfig:
    """The objective of eq. 3.5."""

    alignment: Literal["one-to-one", "ctc"] = "one-to-one"
    """`ctc` (paper) lets a repeated sprite count once, so an `m` can be drawn as two `n`s for
    free. `one-to-one` sums over the alignments in which every character is placed exactly
    once: what is drawn is what is read, and doubled letters need no blank between them."""
    alignment_weight: float = 0.05
    """lambda of eq. 3.5 (0.01 in the paper, 0.1 on its printed book)."""
    sharpening: float = 0.3
    """Temperature of the alignment at the end of training: below 1 it gathers each character on
    one position. 1 in the paper."""
    sharpen_from: float = 0.1
    """Share of the steps after which the temperature starts to fall from 1. While two positions
    share a character both draw it, faintly, and its sprite learns two copies of it."""
    sharpen_until: float = 0.25
    """Share of the steps after which the temperature has reached `sharpening`."""
    overlap: float = 0.05
    """Weight of the mean overlap of layers. It clears the grey ghosts of neighbours from around
    the sprites. 0 in the paper, an option for unsupervised training in its program."""
    variants: float = 0.01
    """Weight of choosing, where a character has several sprites, the one that explains the ink
    (`variant_choice.py`). 0 leaves the choice to the picture alone, and one sprite wins."""
    sparsity: float = 0.0
    """Weight of the mean blank probability (unsupervised option)."""
    frequency: float = 0.0
    """Weight of unequal sprite use (unsupervised option)."""

    def __post_init__(self) -> None:
        require(
            self.alignment in ("one-to-one", "ctc"),
            f"loss.alignment: no kind {self.alignment!r}",
        )
        for name in ("alignment_weight", "overlap", "variants", "sparsity", "frequency"):
            require(getattr(self, name) >= 0, f"loss.{name}: at least 0")
        require(0 < self.sharpening <= 1, "loss.sharpening: above 0, at most 1")
        require(
            0 <= self.sharpen_from <= self.sharpen_until <= 1,
            "loss.sharpen_from, loss.sharpen_until: between 0 and 1, in this order",
        )


@dataclass(frozen=True)
class TrainingConfig:
    """How the parameters are found (section 3.3.3)."""

    batch_size: int = 8
    """16 in the paper; on a processor twice as many steps of 8 learn more in the same time."""
    steps: int = 2000
    """Gradient steps; `--max-minutes` replaces it by what fits."""
    learning_rate: float = 2e-3
    schedule: Literal["one-cycle", "hold", "constant"] = "hold"
    """The paper keeps the rate constant. Held high and then lowered at the end reaches the same
    error in fewer steps than a cycle, whose fall begins before the sprites have opened."""
    warm_start: int = 600
    """Most steps at the beginning that draw only the background (3000, always, in the paper)."""
    warm_start_share: float = 0.35
    """The same as a share of all steps; the lower of the two counts."""
    warm_start_until: float | None = 0.5
    """The warm start ends early once the text loss per character (running mean) falls below
    this: sprites that are drawn before the text can be read all learn the same comb of strokes,
    and keep copies of it beside their letter. None never ends it early (paper)."""
    warm_start_reads: bool = True
    """Let encoder and selection already learn to read during the warm start. In the paper only
    the background learns."""
    weight_decay: float = 1e-6
    """Of the encoder and the selection; 0 for everything else."""
    clip: float | None = 1.0
    """Largest norm of the gradient; None for no limit (paper)."""
    random_order: bool = True
    """Composite the layers in a random order, one for the whole batch, redrawn every step."""
    jitter_shift: float = 0.03
    """Largest random vertical shift of a training line over its height: on 1400 lines of print
    the error on unseen lines was three times that on the training lines. 0 in the paper."""
    jitter_contrast: float = 0.15
    """Largest random change of a training line's contrast, as a share. 0 in the paper."""
    crop: float | None = None
    """Width of a random crop over line height (2 in the paper's unsupervised setting). A crop has
    no text, so there is no guide either."""
    harden: float = 0.25
    """Share of the steps, at the end, in which the picture is composed of the selected sprites
    (straight-through gradients), so that training and reading draw the same. 0 in the paper."""
    evaluations: int = 10
    """How often the validation lines are read during training."""
    bfloat16: bool = True
    """Run the encoder in bfloat16 where the hardware computes it. The paper does not."""
    unsupervised: bool = False
    """Learn without transcriptions, even where there are some."""
    guide: Literal["templates", "off"] = "templates"
    """What a line without a transcription is compared with, besides its picture. `templates`: the
    row of templates (`typica.templates`, pieces of ink that look alike) that explains it best takes
    the place of its text; where some lines are transcribed they first tell what the templates
    stand for. `off` (paper): its picture alone, from which few sprites come to be used."""
    guide_until: float = 1.0
    """Share of the steps until which the guide is followed."""
    start: Literal["auto", "random", "pretrained"] = "auto"
    """`random` (paper): everything is learnt from the collection alone. `pretrained`: encoder and
    selection start as they learnt to read rendered lines in twenty-five typefaces; the sprites
    still come from the collection. `auto`: pretrained where there are transcriptions and the
    encoder is of that kind and size, otherwise random. On every collection tried it reads as well
    in a third of the steps or fewer, and signs that no typeface has (a cipher) come sooner, too."""
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.guide in ("templates", "off"), f"training.guide: no kind {self.guide!r}")
        require(
            self.start in ("auto", "random", "pretrained"),
            f"training.start: no kind {self.start!r}",
        )
        require(0 <= self.guide_until <= 1, "training.guide_until: between 0 and 1")
        require(self.batch_size >= 1, "training.batch_size: at least 1")
        require(self.steps >= 1, "training.steps: at least 1")
        require(self.learning_rate > 0, "training.learning_rate: above 0")
        require(
            self.schedule in ("one-cycle", "hold", "constant"),
            f"training.schedule: no kind {self.schedule!r}",
        )
        require(self.warm_start >= 0, "training.warm_start: at least 0")
        require(0 <= self.warm_start_share <= 1, "training.warm_start_share: between 0 and 1")
        require(
            self.warm_start_until is None or self.warm_start_until > 0,
            "training.warm_start_until: above 0, or none",
        )
        require(self.clip is None or self.clip > 0, "training.clip: above 0, or none")
        require(self.crop is None or self.crop > 0, "training.crop: above 0, or none")
        require(0 <= self.jitter_shift <= 0.5, "training.jitter_shift: between 0 and 0.5")
        require(0 <= self.jitter_contrast < 1, "training.jitter_contrast: between 0 and 1")
        require(0 <= self.harden <= 1, "training.harden: between 0 and 1")
        require(self.weight_decay >= 0, "training.weight_decay: at least 0")
        require(self.evaluations >= 1, "training.evaluations: at least 1")
        require(0 <= self.seed < 2**32, "training.seed: from 0 to 4294967295")


@dataclass(frozen=True)
class TypewriterConfig:
    """Everything that decides a typewriter, apart from its alphabet and its data."""

    height: int = 48
    """H, the height in pixels that every line is resized to (64 and 96 in the paper)."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    sprites: SpriteConfig = field(default_factory=SpriteConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    placement: PlacementConfig = field(default_factory=PlacementConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    templates: TemplateOptions = field(default_factory=TemplateOptions)
    """How the guide's templates are found."""

    def __post_init__(self) -> None:
        require(16 <= self.height <= 256, "height: between 16 and 256 pixels")
        require(self.height % 8 == 0, f"height: {self.height} is not a multiple of 8")
        require(
            self.window_width >= self.encoder.step,
            "placement.window: narrower than a step, so some pixels could not be drawn",
        )
        crop, count = self.training.crop, self.sprites.count
        if crop is not None:
            require(count is not None, "training.crop: a crop has no text; give sprites.count")
            require(
                round(crop * self.height) >= self.encoder.step,
                "training.crop: narrower than a step",
            )
        require(
            count is None or count % self.sprites.allographs == 0,
            "sprites.count: not a multiple of sprites.allographs",
        )
        require(
            count is None or not self.sprites.more,
            "sprites.more: without a text no character is known that could have more sprites",
        )
        if self.sprites.generator == "unet":
            require(
                self.sprite_height % 8 == 0 and self.sprite_width % 8 == 0,
                "sprites: the U-Net needs sprite sides that are multiples of 8; "
                f"these are {self.sprite_height} x {self.sprite_width}",
            )

    @property
    def unsupervised(self) -> bool:
        """Whether transcriptions are left aside."""
        return self.training.unsupervised or self.sprites.count is not None

    @property
    def guided(self) -> bool:
        """Whether lines without a transcription follow a guide."""
        return self.training.guide != "off" and self.training.crop is None

    @property
    def follows_text(self) -> bool:
        """Whether a text loss teaches what is placed where."""
        return not self.unsupervised or self.guided

    @property
    def sprite_height(self) -> int:
        """h, in pixels, even."""
        return 2 * round(self.height * self.sprites.height / 2)

    @property
    def sprite_width(self) -> int:
        """w, in pixels, even."""
        return 2 * round(self.height * self.sprites.width / 2)

    @property
    def window_width(self) -> int:
        """Width of a window in pixels, even."""
        return 2 * round(self.height * self.placement.window / 2)

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values, for JSON."""
        return asdict(self)
