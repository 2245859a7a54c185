"""Log -> World: `fit(log, name=...)` trains, judges on later days, and writes what it found on the world's card."""

from recgym.fit.api import fit
from recgym.fit.config import ASSUMED, PRESETS, FitConfig

__all__ = ["ASSUMED", "PRESETS", "FitConfig", "fit"]
