"""An installed package of the same name is an error that names it."""

import pytest


@pytest.mark.parametrize(("stranger", "package"), [("scope-rl", "recgym"), ("openai-agents", "agents")])
def test_a_clash_of_top_level_packages_is_named(monkeypatch, stranger, package):
    from importlib.metadata import PackageNotFoundError

    from recgym import clash

    def distribution(name):
        if name != stranger:
            raise PackageNotFoundError(name)

    monkeypatch.setattr(clash, "distribution", distribution)
    with pytest.raises(
        ImportError, match=f"{stranger} is installed and has its own top-level package '{package}'"
    ):
        clash.refuse_clash()
