"""Commands that are refused in one line."""


def refused(result, *words):
    code, out, err = result
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("recgym: ")
    assert "Traceback" not in err
    for word in words:
        assert word in err, err
    return out
