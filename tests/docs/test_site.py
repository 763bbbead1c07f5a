"""The site: it builds without a broken link, and opens offline."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "report"))

import browser  # noqa: E402

#: What a browser would fetch: scripts, styles, pictures, frames.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?(https?:[^\"'\s>]+)"
    r"|<link[^>]*rel=[\"']?(?:stylesheet|preload|preconnect|icon)[^>]*href=[\"']?(https?:[^\"'\s>]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    answer = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout
    return folder


def test_no_page_asks_the_network_for_anything(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    asked = {page.name: FETCHED.findall(page.read_text()) for page in pages}
    assert {name: found for name, found in asked.items() if found} == {}


def test_every_page_can_be_searched_without_a_server(site: Path) -> None:
    assert (site / "search" / "search_index.js").read_text().startswith("var __index = ")
    assert "iframe-worker.js" in (site / "index.html").read_text()


@pytest.mark.skipif(browser.found() is None, reason="no Chromium or Chrome here")
def test_the_search_finds_in_a_page_opened_by_double_click(site: Path, tmp_path: Path) -> None:
    with browser.Browser(tmp_path) as page:
        page.open(site / "index.html")
        page.run(
            "(() => { const box = document.querySelector('.md-search__input'); box.focus();"
            "box.value = 'bootstrap'; box.dispatchEvent(new Event('keyup', {bubbles: true})); })()"
        )
        page.wait("document.querySelectorAll('.md-search-result__item').length > 0")
        assert "params.html" in page.run("document.querySelector('.md-search-result').innerHTML")
        (tmp_path / "search.png").write_bytes(page.picture())
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        assert page.errors == []


def test_the_reference_shows_public_functions(site: Path) -> None:
    assert "upright_grid_around" in (site / "reference" / "api" / "volume.html").read_text()
    assert "min_lung_ml" in (site / "reference" / "params.html").read_text()


def test_files_of_the_repository_that_pages_link_come_along(site: Path) -> None:
    assert (site / "files/src/lacaf/codings.yaml.txt").exists()


def test_no_picture_of_the_walk_is_heavy() -> None:
    pictures = list((REPOSITORY / "docs" / "walk").iterdir())
    assert len(pictures) >= 7
    assert all(picture.stat().st_size < 150_000 for picture in pictures)
