"""Numbers of tables as text."""

from recgym.bench.table_text import format_number


def test_numbers_have_three_digits():
    assert [format_number(value) for value in (0.0, 12.3456, -0.012345, 1234.5, float("nan"))] == [
        "0",
        "12.3",
        "-0.0123",
        "1234",
        "-",
    ]
