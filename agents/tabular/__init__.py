"""Tabular temporal-difference learning; `q_table` is the base class."""
