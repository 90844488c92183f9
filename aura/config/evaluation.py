"""Sections of what is measured of a trained model, and of what is learned on top of it."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from aura.config.base import Model
from aura.config.training import Augment


class Finetune(Model):
    """Training of downstream heads.

    Attributes
    ----------
    shots : tuple of int
        How many labels of a class the k-shot heads have.
    draws : int
        Draws of the labels of a k-shot head, which are averaged.
    epochs : int
        Epochs of a head.
    learning_rate : float
        Of the head.
    encoder_rate : float
        Learning rate of the encoder, relative to that of the head; at 0 it stays as it is.
    head : {"random", "probe"}
        What the head of fine-tuning starts from: random weights, or a linear probe.
    label_smoothing : float
        Share of the target that goes to all classes alike.
    mixup : float
        Alpha of mixup; 0 for none.
    augment : Augment or None
        Random changes of the windows; those of training where it is null.
    views : int
        Time-shifted views of a test window whose class probabilities are averaged.
    tuned_shots : tuple of int
        How many labels of a class the encoder itself is fine-tuned on, beside all of them.
    tuned_epochs : int
        Epochs of that.
    members : int
        Networks of a fine-tuned head, of seeds one after another, whose class probabilities are
        averaged; from random weights each starts from its own.
    convolutions : int
        Sets of random convolutions over each view of the IMU, with a ridge classifier: a head
        without an encoder, and averaged into the IMU's fine-tuned head; 0 for none.
    """

    shots: tuple[int, ...] = (1, 5, 10, 50)
    draws: int = Field(5, ge=1)
    epochs: int = Field(40, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    encoder_rate: float = Field(0.3, ge=0)
    head: Literal["random", "probe"] = "random"
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    mixup: float = Field(0.0, ge=0)
    augment: Augment | None = None
    views: int = Field(1, ge=1)
    tuned_shots: tuple[int, ...] = ()
    tuned_epochs: int = Field(100, ge=1)
    members: int = Field(1, ge=1)
    convolutions: int = Field(0, ge=0)


class Recipe(Model):
    """What is different about the models of a row of the transfer table.

    Attributes
    ----------
    sources : tuple of str or None
        Train on these of the mixture's sources; all where it is null.
    train : dict
        Keys of the section `train` that differ.
    people : float
        Train on this share of each source's people, drawn at random.
    control : bool
        Train on shuffled pairs.
    """

    sources: tuple[str, ...] | None = None
    people: float = Field(1.0, gt=0, le=1)
    train: dict[str, Any] = Field(default_factory=dict)
    control: bool = False


class Transfer(Model):
    """Leave one data set out: models of a mixture's other sources, tested on each of them.

    Attributes
    ----------
    study : tuple of str
        The mixtures that `dvc exp run -S` takes through this stage, none by default.
    targets : tuple of str or None
        The data sets to be tested on, whose files are left out of training; each of the sources
        where it is null.
    seeds : tuple of int
        Each recipe is trained with each.
    singles : bool
        Also train on each source alone.
    recipes : dict of str to Recipe
        By name; the first is what others are compared with, and the only one that gets heads.
    candidates : tuple of str
        Recipes of which one is chosen for each target, by leaving out each of the other targets
        beside it, by models of the first seed, and takes the first's part; empty for no choice.
    transductive : bool
        Also a row whose classes are balanced over the unlabelled takes of the target.
    heads : bool
        Train heads on labels of the target, from the first recipe's encoder and from random
        weights.
    folds : int or None
        Folds of people that heads are tested on; null leaves out one person at a time.
    """

    study: tuple[str, ...] = ()
    targets: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    singles: bool = True
    recipes: dict[str, Recipe] = Field(
        default_factory=lambda: {"all sources": Recipe()}, min_length=1
    )
    candidates: tuple[str, ...] = ()
    transductive: bool = False
    heads: bool = True
    folds: int | None = Field(None, ge=2)

    @model_validator(mode="after")
    def _known_candidates(self) -> Self:
        if unknown := set(self.candidates) - set(self.recipes):
            raise ValueError(f"candidates: {min(unknown)} is none of the recipes")
        return self


class Shift(Model):
    """Data sets to compare.

    Attributes
    ----------
    study : tuple of str
        Their names.
    source : str
        The data set or mixture whose model embeds their windows.
    phase : {"imu", "joint"}
        Which of its models.
    """

    study: tuple[str, ...] = ()
    source: str = "synthetic"
    phase: Literal["imu", "joint"] = "joint"


class Evaluate(Model):
    """Draws of the balanced retrieval pools and of the bootstrap."""

    pool_draws: int = Field(20, ge=1)
    bootstrap_draws: int = Field(1000, ge=1)


class Variant(Model):
    """What makes a variant. Beside a data set's own variants those of params.yaml are not trained.

    Attributes
    ----------
    train, finetune : dict
        Keys of these sections that differ, as in params.yaml.
    control : bool
        Train on shuffled pairs.
    heads : bool
        Also fine-tune on labels, from the pretrained encoders and from random weights.
    """

    train: dict[str, Any] = Field(default_factory=dict)
    finetune: dict[str, Any] = Field(default_factory=dict)
    control: bool = False
    heads: bool = False


class Ablate(Model):
    """Variants of the training, each with every seed; the first is what others are compared with.

    Attributes
    ----------
    study : tuple of str
        The data sets that `dvc exp run -S` takes through this stage, none by default.
    folds : {"given", "participants"}
        `given` tests on the test split, with the best epoch chosen on validation; `participants`
        leaves out one participant at a time, of all splits, and keeps the last epoch.
    seeds : tuple of int
        Seeds of the training.
    variants : dict of str to Variant
        By name.
    """

    study: tuple[str, ...] = ()
    folds: Literal["given", "participants"] = "given"
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: dict[str, Variant] = Field(default_factory=lambda: {"default": Variant()})


class Unseen(Model):
    """Classes left out of training in turn, and told from their words alone.

    Attributes
    ----------
    study : tuple of str
        The data sets that `dvc exp run -S` takes through this stage, none by default.
    classes_per_fold : int
        How many classes are left out at a time; what remains is spread over the folds.
    partitions : tuple of int
        Seeds of the folds of classes, which are random; figures are over all of them.
    people : {"given", "participants"}
        `given` tests on the test split, with the best epoch chosen on validation; `participants`
        leaves out one participant at a time as well, and keeps the last epoch.
    seeds : tuple of int
        Seeds of the training.
    control : bool
        Also train with the texts of the classes permuted, with the first seed.
    calibrate : bool
        Where all classes compete, raise the cosines of unseen ones by what is best for
        pseudo-unseen classes of the remaining ones and other people; one more training a fold and
        person, with the first seed.
    inner : int
        To choose settings: test so many folds of the classes that remain in place of each fold,
        which takes no part at all; 0 tests the folds themselves.
    """

    study: tuple[str, ...] = ()
    classes_per_fold: int = Field(5, ge=2)
    partitions: tuple[int, ...] = Field((0,), min_length=1)
    people: Literal["given", "participants"] = "given"
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    control: bool = True
    calibrate: bool = True
    inner: int = Field(0, ge=0)


class Report(Model):
    """The page: which test window it shows as the example."""

    example: int = 0
