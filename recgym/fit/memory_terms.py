"""Terms of memory within a session. Only those that the log identifies are trained."""

from collections.abc import Mapping
from typing import NamedTuple

from recgym.fit.config import ASSUMED, FitConfig, assumed
from recgym.fit.dataset import MIN_EVIDENCE, Dataset
from recgym.fit.provenance import Provenance
from recgym.fit.session_model import START

TOO_FEW_ROWS = f"fewer than {MIN_EVIDENCE} rows identify it, or there is one category"
NEEDS = {"pull": "push", "decay": "kappa"}  # the term without which a number has no effect


class MemoryTerms(NamedTuple):
    """Whether each term has enough known rows, see `recgym.fit.dataset.Evidence`. Without `push` intent is constant."""

    domain: str
    push: bool
    pull: bool
    kappa: bool
    decay: bool
    rho: bool

    @classmethod
    def of(cls, dataset: Dataset, config: FitConfig, *, is_choice: bool) -> "MemoryTerms":
        """The terms that a log identifies; the choice among items of one category does not identify `kappa`."""
        later, third, repeats = (count >= MIN_EVIDENCE for count in dataset.evidence)
        several = len(dataset.items.categories) > 1 or not is_choice
        moves = later and (is_choice or config.drift)
        known_rho = "rho" in ASSUMED[dataset.domain] and config.assume_rho
        return cls(
            dataset.domain,
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
        self,
        numbers: Mapping[str, float],
        sources: Mapping[str, str],
        reason: str | None,
        provenance: Provenance,
    ) -> dict[str, float]:
        """Adds pull, kappa, decay, rho and eta to the provenance; returns the numbers, those of absent terms set to 0.

        `reason` states why trained terms are left out; None: they are kept.
        """
        found = dict(numbers)
        for name in ("kappa", "rho", "pull", "decay"):
            if getattr(self, name) and reason is None:
                provenance.fitted(name, found[name], sources[name])
            elif not getattr(self, name) and name in ASSUMED[self.domain]:
                found[name] = provenance.from_table(name)
            elif name in NEEDS and provenance.status(NEEDS[name]) != "absent":
                provenance.assumed(name, found[name], f"{TOO_FEW_ROWS}: the initial value of training")
            else:
                provenance.absent(
                    name, reason if getattr(self, name) and reason is not None else TOO_FEW_ROWS
                )
                found |= {name: 0.0} if name in ("kappa", "rho") else {}
        if provenance.status("push") == "absent":
            provenance.absent("eta", "the intent is constant")
        else:
            provenance.fitted("eta", 1.0, "the scale is in the push vectors")
        return found
