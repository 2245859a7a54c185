"""Figures of a card by their ids."""

from recgym.fidelity.card_metrics import Figure, figures_of


def by_id(card) -> dict[str, Figure]:
    return {row.id: row for row in figures_of(card)}
