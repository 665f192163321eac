"""The report in a real browser, headless and without a network."""

import json
import os
import re
import shutil
import subprocess
from html import unescape

import pytest

from tests.report.frame_test import TWO
from tests.report.html_test import FACTS
from tf_lottery import report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
# Runs in a copy of the page, whose policy allows no script.
PROBE = """<script>
window.errors = [];
addEventListener("error", event => errors.push(String(event.message)), true);
addEventListener("load", () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const rows = table => [table.id, table.tBodies[0].rows.length];
  const found = {
    images: all("img").map(i => [i.complete, i.naturalWidth, i.naturalHeight]),
    shown: all("img").map(i => [i.clientWidth, i.clientHeight]),
    tables: Object.fromEntries(all("table").map(rows)),
    loaded: performance.getEntriesByType("resource").map(each => each.name),
    wide: document.documentElement.scrollWidth > innerWidth,
    errors: window.errors,
  };
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
</script>"""


@pytest.fixture(scope="module")
def browse():
    """Opens a page: what the browser printed, and its log."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.environ.get("TF_LOTTERY_TEST_BROWSER"):
        pytest.fail("Neither Chromium nor Chrome is on the path, and one must be.")
    if found is None:
        pytest.skip("Neither Chromium nor Chrome is on the path.")

    def browse(page, *flags):
        done = subprocess.run(
            [
                *(found, "--headless=new", "--no-sandbox", "--disable-gpu"),
                *("--disable-background-networking", "--disable-component-update"),
                *("--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"),
                *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000"),
                f"--user-data-dir={page.parent / 'profile'}",
                *(*flags, page.as_uri()),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout, done.stderr

    return browse


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "report.html"
    report.to_html(TWO, path, FACTS)
    return path


@pytest.fixture(scope="module")
def seen(browse, page):
    """What a script in the page sees, in a window of a usual size."""
    copy = page.with_name("probed.html")
    copy.write_text(POLICY.sub(PROBE, page.read_text()))
    dom, _ = browse(copy, "--window-size=1200,900", "--dump-dom")
    return json.loads(unescape(re.search(r'<pre id="probe">(.*?)</pre>', dom)[1]))


@pytest.mark.slow
def test_all_figures_are_there(seen):
    assert len(seen["images"]) == 3
    assert all(is_complete for is_complete, *_ in seen["images"])
    assert all(min(size) > 50 for _, *size in seen["images"])
    assert all(min(size) > 50 for size in seen["shown"])


def test_all_rows_are_there(seen):
    tables = seen["tables"]
    assert [tables[name] for name in ("verdict", "controls", "numbers")] == [3, 2, 6]
    assert tables["densities"] == 1
    assert tables["plan"] >= 20
    assert tables["conditions"] >= 5


def test_no_error_occurs_and_the_page_is_as_wide_as_the_window(seen):
    assert seen["errors"] == []
    assert not seen["wide"]


def test_nothing_is_loaded_from_a_network(seen):
    assert [name for name in seen["loaded"] if not name.startswith("data:")] == []


def test_the_page_as_it_is_leaves_no_complaint_in_the_console(browse, page):
    picture = page.with_name("page.png")
    flags = ("--window-size=1200,2000", "--hide-scrollbars")
    _, log = browse(page, *flags, f"--screenshot={picture}")
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
    assert picture.stat().st_size > 50_000


def test_the_console_would_show_a_complaint(browse, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<script>undefined.name</script><img src='http://there.test/a'>")
    _, log = browse(page, "--dump-dom")
    assert sum("CONSOLE" in line for line in log.splitlines()) >= 1
