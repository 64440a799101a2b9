"""What `python -m studies.evidence.search` adds to the settings of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from afa_ray.config import Settings
from tune.options import AT_LEAST, Resources, study_complaints


@dataclass(frozen=True, kw_only=True)
class EvidenceOptions(Resources):
    """What to compare, and how long each method may look for its settings."""

    methods: str = "plain,random,original,contrast"
    """Names of methods, the baseline first, as for `tune.compare`; name=FILE.yaml is a preset."""
    draws: int = 8
    """Settings that each method tries: its own as they stand, and others drawn at random."""
    search_seeds: int = 3
    """Seeds, train.seed and following, that the best third of these is judged with."""
    seeds: int = 5
    """Seeds, those that follow, with which each method's best settings are read on test."""


@dataclass(frozen=True, kw_only=True)
class EvidenceSettings(Settings):
    """All settings of `python -m studies.evidence.search`."""

    evidence: EvidenceOptions = field(default_factory=EvidenceOptions)


def evidence_complaints(settings: EvidenceSettings) -> list[str]:
    """Every value out of range."""
    return study_complaints(settings, AT_LEAST | {"draws": 1, "search_seeds": 1})
