"""Costs and faults of the decoder on small catalogues."""

import re

from recgym.bench import decoded_slates, decoder_costs


def test_costs_are_a_column_for_each_catalogue(monkeypatch, capsys):
    monkeypatch.setattr(decoder_costs, "REPEATS", 1)
    decoder_costs.main(["300", "3000"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| | 300 items | 3,000 items |"
    assert len(lines) == 9
    numbers = {line.split(" | ")[0][2:]: re.findall(r"[\d.]+(?= \|)", line) for line in lines[2:]}
    weights, softmax = numbers["weights, moments and gradients [MB]"], numbers.popitem()[1]
    assert weights[0] == weights[1]  # the codes are as many
    assert abs(float(softmax[1]) - float(softmax[0]) - 4 * 4 * 64 * 2_700 / 1e6) < 0.11


def test_no_slate_has_a_fault_and_those_without_the_rule_of_the_trie_are_counted(monkeypatch):
    assert decoded_slates.faults(30, 300) == (30, 300, 0, 0, 0)
    monkeypatch.setattr("agents.generative.open_codes.OpenCodes.room", lambda *_: None)
    found = decoded_slates.faults(30, 300)
    assert found.stale > 200
    assert found.repeats == 0
    monkeypatch.setattr(
        "agents.generative.open_codes.OpenCodes.open_after",
        lambda trie, node, level, room: trie.allowed[node] | True,
    )
    assert decoded_slates.faults(30, 300).repeats > 100
