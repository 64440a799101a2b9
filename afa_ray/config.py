"""Every setting of a training run, typed and explained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from afa_ray.supervision import SupervisionSettings

SINGLE_LAYER = "transformer"
ENCODERS = ("lstm", "cnn", "average")
FROM_SCRATCH = (SINGLE_LAYER, *ENCODERS)
DATA_FILES = ("train_file", "validation_file", "test_file", "lexicon_file")


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What to train on."""

    name: str = "reviews"
    """Data set: reviews, mock-1 … mock-10, mock-1q … mock-4q, facts-1 … facts-3 (stories with a
    question), ag_news, imdb, sst2, sst2_sentences, sms_spam, http_params, yelp_hat, hatexplain,
    fair_rationales; with train_file, any name."""
    dir: str | None = None
    """Folder with one sub-folder of Parquet files a set; by default AFA_DATA_DIR, then the hub."""
    train_file: str | None = None
    """Your own training texts: .csv, .tsv, .jsonl or .parquet."""
    validation_file: str | None = None
    """Your own validation texts; without it a share of the training texts is held out."""
    test_file: str | None = None
    """Your own test texts; without it 20% of train_file are held out."""
    text_column: str = "text"
    """Column of the texts in your own files."""
    label_column: str = "label"
    """Column of the labels in your own files: strings, or numbers, of which 1, 1.0 and "1" are one
    class."""
    query_column: str | None = None
    """Column of what each text of your own files is read for, a question or a hypothesis, which
    attention is turned by; for target.name lstm, cnn and average. Where all classes are entities,
    @entity0, @entity1, …, those that a text names are its candidates, and no other is possible."""
    marks_column: str | None = None
    """Column of your own files with what people marked: for each text a list with a number for each
    of its words (what blanks separate), 1 for a marked word, else 0; or a list of several people's
    such lists. In CSV and TSV as [0, 1, 0]; empty where nobody marked anything."""
    keep_na: bool = False
    """Labels such as NA, nan, null and None are classes of your own files, not missing values."""
    lexicon_file: str | None = None
    """Words (text, label 0 or 1) for the generated sets, and for supervision.method as-lexicon,
    instead of the built-in lists."""
    max_length: int = 512
    """Longest sequence in tokens, [SOS] and [EOS] included; longer texts are cut and counted."""
    vocab_size: int = 20_000
    """Most words in the vocabulary."""
    min_frequency: int = 1
    """How often a word must occur in the training texts; rarer ones are unknown words."""
    lowercase: bool | None = None
    """Read texts in lower case; by default true for the sets above, and for your own files unless
    the classes of the training texts are clearly better told apart by words with their case."""
    strip_accents: bool | None = None
    """Read é as e; by default decided as lowercase is. Vowel signs of scripts such as Thai or
    Devanagari and the voicing of Japanese are no accents and always kept."""
    protocol: str | None = None
    """Split of sst2: random (10% of the training phrases, the default) or official."""
    validation_share: float = 0.1
    """Share of the training texts held out for validation, where the data have no such split."""
    evaluate_on: Literal["test", "validation"] = "test"
    """What the finished run is judged on. With validation the test texts stay unread, for trials;
    what files and MLflow call test is validation then, as the run's notes say."""
    split_seed: int | None = None
    """Fixes the splits that are drawn at random, and generated sets; by default train.seed."""


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """Low-rank adapters for a pretrained Target (pip install "afa_ray[lora]")."""

    r: int = 0
    """Rank; 0 trains all weights instead."""
    alpha: float = 16.0
    """The adapters' output is scaled by alpha / r."""
    dropout: float = 0.0
    """Dropout in front of the adapters."""
    modules: str = "all-linear"
    """Names of the layers to adapt, separated by commas, or all-linear."""
    merge: bool = False
    """Save the model with its adapters merged in, instead of the adapters."""


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """The classifier whose attention is shaped."""

    name: str = SINGLE_LAYER
    """transformer: one Transformer block, from scratch; lstm, cnn, average (each word by itself):
    encoders whose states attention weighs, from scratch, as in the literature on attention as
    explanation; else a Hugging Face model, by its id on the hub or by its folder."""
    hidden_size: int = 128
    """Width d of transformer, a multiple of heads; of lstm in one direction; of the states of cnn,
    a multiple of 4, and average."""
    embedding_size: int = 300
    """Width of the words of lstm, cnn and average."""
    embedding_std: float = 0.1
    """Standard deviation of these words, which start at random. With 1, PyTorch's own, attention is
    on few words from the start, and texts of a few thousand words are learned less well."""
    scorer: Literal["additive", "dot"] = "additive"
    """What lstm, cnn and average score words by: additive is v . tanh(W h), dot is w . h."""
    heads: int = 4
    """Attention heads of transformer."""
    bag_of_words: bool = True
    """transformer starts at about the decision of TF-IDF with logistic regression, fitted to the
    training texts, instead of at chance."""
    dropout: float = 0.3
    """Dropout of transformer and of the Discriminator; a pretrained model keeps its own, and lstm,
    cnn and average have none."""
    hops: int = 1
    """How often transformer reads a text before it decides: with 1 its attention weighs words alike
    in all texts; with 2 what it looks at depends on what the text says."""
    word2vec: bool | None = None
    """Initialise the words of what is trained from scratch with word2vec vectors of the training
    texts; by default those of transformer: lstm, cnn and average learn better from random ones."""
    vectors: str | None = None
    """File of word vectors in word2vec's text format, hidden_size wide, for lstm, cnn and average
    embedding_size wide, that the words start with instead; words that it lacks start at random."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of a pretrained model's weights; adapters stay in float32."""
    lora: LoraSettings = field(default_factory=LoraSettings)

    @property
    def pretrained(self) -> bool:
        return self.name not in FROM_SCRATCH

    @property
    def word_size(self) -> int:
        """Width of the words of what is trained from scratch."""
        return self.embedding_size if self.name in ENCODERS else self.hidden_size

    @property
    def begins_with_word2vec(self) -> bool:
        return self.name == SINGLE_LAYER if self.word2vec is None else self.word2vec


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSettings:
    """The judge of whether a sequence is untouched."""

    judge: Literal["trained", "twin", "average", "target"] = "trained"
    """trained: a Discriminator, with the settings below; twin: one that is a second Target, with
    its start and its learning rate; target: the Target judges its own masks; average: a moving
    average of its weights does. The latter three pay as far as the class is no longer seen (and
    need pairing contrast)."""
    hidden_size: int = 128
    """Width d; a multiple of heads."""
    heads: int = 4
    """Attention heads."""
    readout: Literal["last", "mean"] = "last"
    """last reads the last token (fast); mean averages a full layer (sees word order, slow)."""
    pairing: Literal["original", "contrast"] = "contrast"
    """contrast: given the class of the masked copy, against untouched sequences of other classes;
    original: a sequence against its own masked copy (the paper), which evens attention out."""


@dataclass(frozen=True, kw_only=True)
class AfaSettings:
    """The adversarial feedback."""

    k: int = 3
    """Units masked in a sequence: tokens, or words."""
    unit: Literal["piece", "word"] = "piece"
    """piece masks tokens; word masks whole words, by the sum of their pieces' attention."""
    epsilon: float = 0.2
    """Probability of masking k tokens at random instead of by attention."""
    lambda_adv: float = 0.5
    """Weight of the adversarial loss; 0 is plain training, without a Discriminator."""
    num_masks: int = 4
    """Masks sampled for each sequence; their mean reward is the baseline."""
    mask: Literal["delete", "token"] = "delete"
    """delete removes the tokens; token replaces them by [MASK], which is easily told apart."""
    policy: Literal["topk", "plackett-luce"] = "topk"
    """topk is the paper's; plackett-luce samples by attention and is an exact policy gradient."""
    whiten_advantage: bool = False
    """Divide advantages by their standard deviation over the batch: long texts, of which a mask
    changes little, get feedback of the same size as short ones, and lambda means the same."""
    confidence: float = 0.0
    """Only texts whose label the Target gives more than this probability get feedback."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How long, how fast and on what. What is None is chosen from the number of training texts."""

    epochs: int | None = None
    """Most passes over the training texts; by default 12, and 600 updates at least (pretrained: 2,
    and 150; lstm, cnn, average: 8, and 600)."""
    max_steps: int = 0
    """Most updates; 0 for no limit."""
    batch_size: int | None = None
    """Texts in an update, over all workers together; by default 16 of less than 2,000 texts, 32 of
    less than 10,000 or for a pretrained Target, else 64."""
    accumulation_steps: int = 1
    """Parts that each worker reads its share of an update in, to save memory; above 1, feedback
    reads each text a second time."""
    gradient_checkpointing: bool = False
    """Recompute a pretrained Target's activations instead of keeping them."""
    shard: bool = False
    """Spread a pretrained Target's weights over the workers (FSDP2): models larger than a GPU."""
    target_lr: float | None = None
    """Adam's learning rate for the Target; by default 5e-4, for a pretrained one 5e-5, for lstm,
    cnn and average 1e-3."""
    schedule: Literal["constant", "linear"] = "constant"
    """linear lowers both learning rates to 0 at the last update of the last epoch."""
    warmup_steps: int | None = None
    """Updates in which both learning rates rise from 0; by default 0, for a pretrained Target a
    tenth of all."""
    max_grad_norm: float = 0.0
    """Longest gradient of the Target; longer ones are scaled down; 0 for no limit."""
    discriminator_lr: float = 5e-4
    """Adam's learning rate for the Discriminator."""
    average: int | None = None
    """Updates over which the Target's weights are averaged, exponentially: the average is what is
    validated, chosen and saved, from that many updates on. 0 takes the weights as they are; by
    default 100, for a pretrained Target 0."""
    choose: Literal["best", "last"] = "best"
    """The epoch that is kept: the best by validation score, or the last, whatever that says, as
    protocols without validation have it."""
    margin: float | None = None
    """Standard errors of validation accuracy that a later epoch must be more accurate by to be
    taken for better. By default .5, for a pretrained Target 0."""
    patience: int | None = None
    """Epochs without a better validation score before training stops; 0 never stops. By default 2,
    and 200 updates at least (pretrained, lstm, cnn, average: 0)."""
    refit: bool | None = None
    """Train once more on all texts, those held out for validation too, for as many updates as were
    best. By default for what is trained from scratch on less than 10,000 texts of which some had
    to be held out."""
    deletion_weight: float = 0.0
    """The best epoch has the highest validation accuracy minus this weight times the normalised
    area under the deletion curve (by attention, divided by that of random tokens)."""
    seed: int = 0
    """Fixes data order, initial weights, dropout and masks."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What products are computed in while weights stay as they are: auto is bfloat16 for pretrained
    models on GPUs that have it, and float32 elsewhere."""
    deterministic: bool = False
    """Deterministic kernels on a GPU too (slower); a CPU run always is."""
    num_workers: int | str = 1
    """Ray Train workers; 0 trains in this process without Ray; 1:4 takes what the cluster has."""
    use_gpu: bool | None = None
    """true, false, or by default a GPU where there is one."""
    max_failures: int = 0
    """Restarts from the last checkpoint after a worker is lost; -1 for any number."""
    checkpoint_every: int = 0
    """Updates between checkpoints within an epoch; 0 saves at the end of each epoch only."""
    log_every: int = 50
    """Updates between progress lines."""
    dry_run: bool = False
    """Only count parameters, estimate memory, time three updates, and stop."""

    @property
    def workers(self) -> tuple[int, int]:
        """Fewest and most workers."""
        least, _, most = str(self.num_workers).partition(":")
        return int(least), int(most or least)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """How the finished model is judged."""

    texts: int = 1000
    """Most texts, a stratified draw by train.seed, for the deletion curve and all else beyond
    accuracy, which is always that of all texts; 0 takes all."""
    explained: int = 30
    """Of these, how many have the attention row held against `layers_ig` and integrated gradients
    of the same model, in its card: a hundred passes a text; 0: none."""
    beside: str | None = None
    """Another classifier of the same classes, such as one that is trained plainly, to stand beside
    this one on the run's page: the folder of a run or a model, or an id on the Hugging Face hub."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where results go."""

    storage: str = "runs"
    """Folder of all runs; on a cluster one that every node sees."""
    name: str | None = None
    """Folder of this run, by default named after data and time; the same name continues a run."""


@dataclass(frozen=True, kw_only=True)
class MlflowSettings:
    """Tracking."""

    uri: str | None = None
    """Tracking server or database, by default what MLFLOW_TRACKING_URI says, else sqlite in
    run.storage; none switches MLflow off. Passwords belong into the environment."""
    experiment: str | None = None
    """Experiment that the run is filed under, by default what MLFLOW_EXPERIMENT_NAME says, else
    afa_ray."""
    register: str | None = None
    """Name in MLflow's model registry that the finished model becomes a version of."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of `python -m afa_ray.train`."""

    data: DataSettings = field(default_factory=DataSettings)
    target: TargetSettings = field(default_factory=TargetSettings)
    discriminator: DiscriminatorSettings = field(default_factory=DiscriminatorSettings)
    afa: AfaSettings = field(default_factory=AfaSettings)
    supervision: SupervisionSettings = field(default_factory=SupervisionSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    run: RunSettings = field(default_factory=RunSettings)
    mlflow: MlflowSettings = field(default_factory=MlflowSettings)


V = TypeVar("V")


def decided(value: V | None) -> V:
    """A setting that may be left to the data, where it has been chosen: `recipe.chosen`."""
    assert value is not None
    return value
