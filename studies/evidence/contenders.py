"""The contenders of the evidence: methods, each with the space that its settings are drawn from.

All draw the learning rate and the dropout, the same ones under the same number; a method of
adversarial feedback also draws its own settings; a preset of it only their weight, lambda.
"""

from __future__ import annotations

from dataclasses import dataclass

from afa_ray.config import Settings
from afa_ray.dotted import override
from tune.methods import Values, parse_methods
from tune.space import Space, draw, parse_space

COMMON = "train.target_lr=2e-4:2e-3:log target.dropout=0.1:0.5"
WEIGHT = "afa.lambda_adv=0.05:2:log"
MASKS = f"{WEIGHT} afa.k=1:8 afa.num_masks=2,4"
BY_ATTENTION = f"{MASKS} afa.epsilon=0:0.5 afa.policy=topk,plackett-luce"
OWN = {"random": MASKS, "original": BY_ATTENTION, "contrast": BY_ATTENTION}


@dataclass(frozen=True)
class Contender:
    """A method's fixed settings, and what it draws."""

    fixed: Values
    common: Space
    own: Space

    def draw(self, seed: int, number: int) -> Values:
        """Draw 0 is the method as it stands."""
        if number == 0:
            return self.fixed
        own = draw(self.own, [seed, number, 1])
        return self.fixed | draw(self.common, [seed, number]) | own


def parse_contenders(text: str, base: Settings, faults: list[str]) -> dict[str, Contender]:
    """The contenders of `name,name,name=FILE.yaml`; what cannot be goes to `faults`."""
    contenders = {}
    for name, values in parse_methods(text, base, faults).items():
        settings = override(base, values)
        common = parse_space(COMMON, settings, faults)
        space = OWN.get(name, WEIGHT if settings.afa.lambda_adv else "")
        own = parse_space(space, settings, faults) if space else {}
        contenders[name] = Contender(values, common, own)
    return contenders
