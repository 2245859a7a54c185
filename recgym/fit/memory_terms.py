"""Which numbers of memory within a visit a log shows: those alone are trained, and said to be fitted on the card."""

from collections.abc import Mapping
from typing import NamedTuple

from recgym.fit.config import ASSUMED, FitConfig, assumed
from recgym.fit.dataset import MIN_EVIDENCE, Dataset
from recgym.fit.provenance import Provenance
from recgym.fit.session_model import START

FEW = f"fewer than {MIN_EVIDENCE} rows show it, or there is one category"
NEEDS = {"pull": "push", "decay": "kappa"}  # what a number means nothing without


class MemoryTerms(NamedTuple):
    """Which terms enough known rows show: with a response before them in their visit, with two, with one to the item.

    Where `push` is off nothing moves the intent.
    """

    domain: str
    push: bool
    pull: bool
    kappa: bool
    decay: bool
    rho: bool

    @classmethod
    def of(cls, frame: Dataset, config: FitConfig, *, is_choice: bool) -> "MemoryTerms":
        """What a log shows; a choice shows no slope that moves the items of its only category alike."""
        later, third, repeats = (count >= MIN_EVIDENCE for count in frame.evidence)
        several = len(frame.items.categories) > 1 or not is_choice
        moves = later and (is_choice or config.drift)
        known_rho = "rho" in ASSUMED[frame.domain] and config.assume_rho
        return cls(
            frame.domain,
            moves,
            moves and third,
            later and several,
            third and several,
            repeats and not known_rho,
        )

    def fixed(self) -> dict[str, float]:
        """The numbers that are not trained, at their assumed values."""
        values = {"pull": START["pull"] if self.push else 0.0, "decay": START["decay"]}
        values |= {name: assumed(self.domain, name) for name in ("kappa", "rho")}
        return {name: value for name, value in values.items() if not getattr(self, name)}

    def enter(
        self, numbers: Mapping[str, float], sources: Mapping[str, str], lacks: str | None, ledger: Provenance
    ) -> dict[str, float]:
        """Enter pull, kappa, decay, rho and eta into the card; returns the numbers with what is absent switched off.

        `lacks` says why nothing that was trained is kept; None: it is kept.
        """
        found = dict(numbers)
        for name in ("kappa", "rho", "pull", "decay"):
            if getattr(self, name) and lacks is None:
                ledger.fitted(name, found[name], sources[name])
            elif not getattr(self, name) and name in ASSUMED[self.domain]:
                found[name] = ledger.from_table(name)
            elif name in NEEDS and ledger.status(NEEDS[name]) != "absent":
                ledger.assumed(name, found[name], f"{FEW}: where training begins")
            else:
                ledger.absent(name, lacks if getattr(self, name) and lacks is not None else FEW)
                found |= {name: 0.0} if name in ("kappa", "rho") else {}
        if ledger.status("push") == "absent":
            ledger.absent("eta", "nothing moves the intent")
        else:
            ledger.fitted("eta", 1.0, "the scale is in the push vectors")
        return found
