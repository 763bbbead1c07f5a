"""The page in a real browser, offline: it renders, the trees draw and turn, nothing is fetched."""

import browser
import pytest

#: Number of canvas pixels that differ from the backdrop by more than a little.
DRAWN = """(() => {
  const canvas = document.querySelector("#viewer canvas");
  const gl = canvas.getContext("webgl2");
  const pixels = new Uint8Array(4 * canvas.width * canvas.height);
  gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  let drawn = 0, sum = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const light = pixels[i] + pixels[i + 1] + pixels[i + 2];
    if (light > 90) { drawn++; sum = (sum + light * (i % 65521)) % 1e9; }
  }
  return [drawn, sum];
})()"""
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def page(request, tmp_path_factory):
    if browser.found() is None:
        pytest.skip("no Chromium or Chrome here: install one (Debian: apt install chromium)")
    project = request.getfixturevalue("project")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as window:
        window.open(project.reports / "index.html")
        window.wait("document.getElementById('viewer').dataset.state === 'ready'")
        window.run(FRAME)
        yield window


def test_nothing_is_fetched_and_nothing_goes_wrong(page):
    assert page.errors == []
    assert len([url for url in page.requests if not url.startswith("data:")]) == 1  # itself


def test_pictures_are_decoded(page):
    broken = "[...document.images].filter((i) => i.complete && !i.naturalWidth).length"
    assert page.run("document.images.length") == 4
    assert page.run(broken) == 0


def test_trees_are_drawn_and_classes_can_be_hidden(page):
    drawn, _ = page.run(DRAWN)
    assert drawn > 2000
    boxes = "[...document.querySelectorAll('input[name=class]')]"
    page.run(f"{boxes}.forEach((box) => box.click())")
    page.run(FRAME)
    assert page.run(DRAWN)[0] == 0
    page.run(f"{boxes}.forEach((box) => box.click())")
    page.run(FRAME)
    assert page.run(DRAWN)[0] == drawn


def test_arrow_keys_turn_the_trees(page):
    before = page.run(DRAWN)
    page.run("document.querySelector('#viewer canvas').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
    page.run(FRAME)
    assert page.run(DRAWN) != before
    page.run("document.querySelector('[data-view=reset]').click()")
    page.run(FRAME)
    assert page.run(DRAWN) == before


def test_errors_have_colours_of_their_own(page):
    before = page.run(DRAWN)
    choose = """((value) => { const list = document.querySelector('[name=colouring]');
      list.value = value; list.dispatchEvent(new Event('change', {bubbles: true})); })"""
    page.run(f"{choose}('errors')")
    page.run(FRAME)
    assert page.run(DRAWN) != before
    page.run(f"{choose}('class')")


def test_another_case_can_be_chosen(page):
    page.run("document.querySelector('[data-scene=clinic7]').click()")
    page.wait("document.querySelector('[data-say]').textContent.startsWith('clinic7')")
    captions = "[...document.querySelectorAll('[data-captions] span')].map((s) => s.textContent)"
    page.run(FRAME)
    assert page.run(captions) == ["lacaf-s0", "unet-s0"]  # no labels, so no reference


@pytest.mark.parametrize("width", [380, 1400])
def test_the_page_itself_never_scrolls_sideways(page, width):
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    assert page.run("document.documentElement.scrollWidth") <= width
