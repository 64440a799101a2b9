"""Target and Discriminator of a run, with the initial weights of its seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from afa_ray.config import ENCODERS, Settings
from afa_ray.data.corpus import Corpus
from afa_ray.data.word2vec import INITIAL_SCALE
from afa_ray.errors import UserError
from afa_ray.models import (
    AnyTarget,
    Discriminator,
    DiscriminatorConfig,
    EncodedConfig,
    EncodedTarget,
    Target,
    TargetConfig,
)
from afa_ray.models.loading import load_pretrained, skeleton
from afa_ray.models.lora import require_layers
from afa_ray.training.head_start import begin_with

if TYPE_CHECKING:
    from afa_ray.models.pretrained import PretrainedTarget


class Players(NamedTuple):
    """`discriminator` is None where there is no feedback, or where the Target is its own judge, and
    a second Target where the judge is one; `notes` are for the user."""

    target: AnyTarget
    discriminator: Discriminator | AnyTarget | None
    notes: list[str]


def check_target(settings: Settings) -> None:
    """What can be said of a pretrained Target without its weights, before a run is begun.

    Raises:
        UserError: it does not exist, or cannot do what the settings ask for.
    """
    if not settings.target.pretrained:
        return
    model = skeleton(settings.target.name)
    if settings.target.lora.r:
        require_layers(model, settings.target.lora.modules)
    if settings.train.gradient_checkpointing and not model.supports_gradient_checkpointing:
        raise UserError(
            f"train.gradient_checkpointing: {model.config.model_type} cannot; leave it out"
        )


def build_players(settings: Settings, corpus: Corpus) -> Players:
    """The players of `settings` for a corpus, on the CPU.

    Raises:
        UserError: the pretrained model cannot be used, or has nothing to train.
    """
    target, notes = _target(settings, corpus)
    if not any(parameter.requires_grad for parameter in target.parameters()):
        raise UserError(f"target.name = {settings.target.name}: no weight of it is trainable")
    judge = settings.discriminator.judge if settings.afa.lambda_adv else "target"
    if judge == "target":
        return Players(target, None, notes)
    if judge == "twin" and corpus.train.queries is not None:
        raise UserError(
            "discriminator.judge = twin: learns from texts of other classes, which are not asked "
            f"what a text of {corpus.name} is; use target"
        )
    if judge != "trained":
        return Players(target, _target(settings, corpus)[0], notes)
    discriminator = make_discriminator(
        settings, target, len(corpus.tokenizer), len(corpus.label_names), corpus.max_length
    )
    return Players(target, discriminator, notes)


def _target(settings: Settings, corpus: Corpus) -> tuple[AnyTarget, list[str]]:
    """A Target with the initial weights of the seed, always the same ones, and notes."""
    torch.manual_seed(settings.train.seed)
    if settings.target.pretrained:
        return _pretrained(settings, corpus)
    if settings.target.name in ENCODERS:
        return _encoded(settings, corpus), []
    return _single_layer(settings, corpus), []


def asks_by_label(settings: Settings, classes: int) -> bool:
    """Whether transformer reads by a query of each class, for supervision.method das."""
    das = settings.supervision.das
    if settings.supervision.method != "das" or das.queries == "shared":
        return False
    return das.queries == "label" or classes <= das.most_labels


def _labels(corpus: Corpus) -> dict[str, Any]:
    """The classes as a configuration names them."""
    names = corpus.label_names
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def _encoded(settings: Settings, corpus: Corpus) -> EncodedTarget:
    target = EncodedTarget(
        EncodedConfig(
            vocab_size=len(corpus.tokenizer),
            encoder=settings.target.name,
            scorer=settings.target.scorer,
            embedding_size=settings.target.embedding_size,
            initializer_range=settings.target.embedding_std,
            hidden_size=settings.target.hidden_size,
            query=corpus.train.queries is not None,
            candidates=corpus.by_candidates,
            pad_token_id=corpus.tokenizer.pad_token_id,
            **_labels(corpus),
        )
    )
    if corpus.vectors is not None:
        louder = target.config.initializer_range / INITIAL_SCALE
        target.words.weight.data.copy_(torch.from_numpy(corpus.vectors * louder))
    return target


def _single_layer(settings: Settings, corpus: Corpus) -> Target:
    target = Target(
        TargetConfig(
            vocab_size=len(corpus.tokenizer),
            max_position_embeddings=corpus.max_length,
            hidden_size=settings.target.hidden_size,
            num_attention_heads=settings.target.heads,
            dropout=settings.target.dropout,
            hops=settings.target.hops,
            label_queries=asks_by_label(settings, len(corpus.label_names)),
            **_labels(corpus),
        )
    )
    if corpus.vectors is not None:
        target.words.weight.data.copy_(torch.from_numpy(corpus.vectors))
    if corpus.evidence is not None:
        train = corpus.train
        begin_with(target, corpus.evidence, train.tokens, train.offsets, settings.train.seed)
    return target


def _pretrained(settings: Settings, corpus: Corpus) -> tuple[PretrainedTarget, list[str]]:
    target, new, notes = load_pretrained(
        settings.target.name,
        label_names=corpus.label_names,
        pad_id=corpus.tokenizer.pad_token_id,
        dtype=settings.target.dtype,
    )
    if settings.target.dtype == "bfloat16" and not settings.target.lora.r:
        notes.append(
            "all weights are trained in bfloat16, where small steps vanish: see target.lora"
        )
    fit_for_training(settings, target, new)
    return target, notes


def fit_for_training(settings: Settings, target: PretrainedTarget, new: list[str]) -> None:
    """Adapters and gradient checkpointing, where the settings ask for them.

    Args:
        new: modules whose weights are not pretrained, see `lora.add_adapters`.
    """
    lora = settings.target.lora
    if lora.r:
        target.adapt(
            r=lora.r, alpha=lora.alpha, dropout=lora.dropout, modules=lora.modules, new=new
        )
    if settings.train.gradient_checkpointing:
        target.checkpoint_gradients()


def make_discriminator(
    settings: Settings, target: AnyTarget, vocab_size: int, classes: int, max_length: int
) -> Discriminator:
    """One that reads a pretrained Target's words as they were before training."""
    words = None
    if settings.target.pretrained:
        embeddings = target.get_input_embeddings()
        assert isinstance(embeddings, nn.Embedding)
        words = embeddings.weight
    discriminator = Discriminator(
        DiscriminatorConfig(
            vocab_size=vocab_size,
            embedding_size=0 if words is None else words.shape[1],
            pad_token_id=target.config.pad_token_id,
            max_position_embeddings=max_length,
            hidden_size=settings.discriminator.hidden_size,
            num_attention_heads=settings.discriminator.heads,
            dropout=settings.target.dropout,
            readout=settings.discriminator.readout,
            num_classes=classes * (settings.discriminator.pairing == "contrast"),
        )
    )
    if words is not None:
        discriminator.embed_with(words.clone() if words.requires_grad else words)
    return discriminator
