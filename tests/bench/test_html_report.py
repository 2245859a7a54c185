"""index.html of a report: the same bytes, nothing from a network, and a table that sorts in a browser."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_runs import write_run, write_table

from agents import AGENTS, agent_class
from agents.references.oracle import Privileged
from recgym.bench.judged_runs import PRIVILEGED
from recgym.bench.raw_rows import FILE
from recgym.bench.report import Results, write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# counts errors of the page, clicks heads, picks an environment, and writes what is there into the document
DRIVER = """
<script>
window.problems = [];
window.addEventListener("error", (event) => window.problems.push(String(event.message)));
console.error = (...words) => window.problems.push(words.join(" "));
window.addEventListener("load", () => {
  const table = document.querySelector("table.leaderboard");
  const column = (k) => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[k].dataset.value);
  const click = (k) => table.querySelectorAll("thead button")[k].click();
  const found = {before: column(3)};
  click(3); found.descending = column(3);
  click(3); found.ascending = column(3);
  click(1); click(1); found.names = column(1);
  const select = document.querySelector("select.environment");
  select.selectedIndex = 1; select.dispatchEvent(new Event("change"));
  found.one = column(0);
  found.figures = [...document.querySelectorAll("figure")].filter((f) => !f.hidden).length;
  found.sideways = document.documentElement.scrollWidth > window.innerWidth;
  found.problems = window.problems;
  const place = document.createElement("pre");
  place.id = "found"; place.textContent = JSON.stringify(found);
  document.body.append(place);
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = write_table(tmp_path_factory.mktemp("results") / "quick", seeds=4)
    write_report(out.parent)
    return out.parent / "index.html"


def test_the_same_rows_give_the_same_page(page, tmp_path):
    (tmp_path / "quick").mkdir()
    shutil.copy(page.parent / "quick" / FILE, tmp_path / "quick" / FILE)
    write_report(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == page.read_bytes()


def test_the_page_needs_no_network_and_links_its_rows(page):
    text = page.read_text(encoding="utf-8")
    assert "://" not in text
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == [f"quick/{FILE}"]
    assert (page.parent / "quick" / FILE).is_file()
    write_report(page.parent / "quick")  # of one table
    assert f'href="{FILE}"' in (page.parent / "quick" / "index.html").read_text(encoding="utf-8")


def test_the_page_has_every_row_and_plot(page):
    text = page.read_text(encoding="utf-8")
    tables = Results(page.parent).tables["quick"]
    assert text.count("<tr data-environment=") == sum(len(table.rows) for table in tables)
    for title in ("recgym/Content-v1", "recgym/Social-v2: training", "Performance profile"):
        assert f"<figcaption>{title}</figcaption><svg" in text
    first = tables[0].rows[0]
    assert f'data-value="{first.value.mean!r}"' in text
    assert f"[{first.value.low:.2f}, {first.value.high:.2f}]" in text
    assert (
        text.count("<polyline") == 2 * 2 + 4
    )  # two learning agents in each environment; profiles without the scale's ends


def test_agents_that_read_the_simulator_are_hollow_in_plots(tmp_path):
    assert {row.name for row in AGENTS if issubclass(agent_class(row.name), Privileged)} == set(PRIVILEGED)
    for agent in ("random", "linucb", "logged"):
        for seed in range(2):
            write_run(tmp_path / "quick", "content", agent, seed, mean=float(seed))
    write_report(tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.count('<circle class="privileged"') == text.count('<circle class="mark"') == 1


def test_text_of_rows_cannot_become_markup(tmp_path):
    write_run(tmp_path / "quick", "content", "random", 0)
    write_run(tmp_path / "quick", "content", "<img src=x>", 0, mean=1.0)
    write_report(tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "&lt;img src=x&gt;" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize("width", [1300, 500])
def test_a_click_sorts_the_table_in_a_browser(page, tmp_path, width):
    import json

    driven = tmp_path / "driven.html"
    driven.write_text(
        page.read_text(encoding="utf-8").replace("<title>", f"{DRIVER}<title>"), encoding="utf-8"
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    place = f"--user-data-dir={tmp_path / 'profile'}"
    command = [CHROMIUM, *options, place, "--dump-dom", Path(driven).as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout).group(1))
    assert found["problems"] == []
    assert len(found["before"]) == 12
    numbers = [float(value) for value in found["descending"]]
    assert numbers == sorted(map(float, found["before"]), reverse=True) != [float(v) for v in found["before"]]
    assert [float(value) for value in found["ascending"]] == numbers[::-1]
    assert found["names"] == sorted(found["names"])
    assert set(found["one"]) == {"recgym/Content-v1"}
    assert len(found["one"]) == 6
    assert found["figures"] == 3
    assert not found["sideways"]
