"""Fitting of a world to a log: `fit(log, name=...)` trains, judges on a later period and writes the card."""

from recgym.fit.api import fit
from recgym.fit.config import ASSUMED, PRESETS, FitConfig

__all__ = ["ASSUMED", "PRESETS", "FitConfig", "fit"]
