"""The pages in a real browser, offline: slices scroll, trees turn, nothing is fetched."""

import mini
import pytest

#: Number of pixels of a canvas that are not nearly black, and a sum that depends on where they are.
DRAWN = """((chosen) => {
  const canvas = document.querySelector(chosen);
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0, sum = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const light = pixels[i] + pixels[i + 1] + pixels[i + 2];
    if (light > 90) { drawn++; sum = (sum + light * (i % 65521)) % 1e9; }
  }
  return [drawn, sum];
})"""
#: How often each colour of the palette, exactly, stands on a canvas.
COLOURS = """((chosen) => {
  const canvas = document.querySelector(chosen);
  const context = canvas.getContext("2d");
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const { classes, errors } = lacaf.colours();
  const kinds = ["vessel", "side", "missed", "false"].map((name, n) => [name, errors[n + 1]]);
  const named = { ...classes, ...Object.fromEntries(kinds) };
  const counts = Object.fromEntries(Object.keys(named).map((name) => [name, 0]));
  for (let i = 0; i < pixels.length; i += 4) {
    for (const [name, [r, g, b]] of Object.entries(named)) {
      if (pixels[i] === r && pixels[i + 1] === g && pixels[i + 2] === b) counts[name]++;
    }
  }
  return counts;
})"""
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
AXIAL, TREES = "[data-plane=axial] canvas", "#trees canvas"


@pytest.fixture
def case(window, project):
    """The page of a scored case, fresh."""
    open_case(window, project.reports / "cases" / "phantom001.html")
    return window


def open_case(window, path):
    size(window, 1400)
    window.open(path)
    window.wait("document.getElementById('slices').dataset.state === 'ready'")
    window.wait("document.getElementById('trees')?.dataset.state !== 'loading'")
    window.run(FRAME)


def size(window, width):
    window.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=1000,
        deviceScaleFactor=1,
        mobile=False,
    )


def drawn(window, canvas):
    window.run(FRAME)
    return window.run(f"{DRAWN}('{canvas}')")


def press(window, key):
    for kind in ("keyDown", "keyUp"):
        text = {"text": key} if kind == "keyDown" and len(key) == 1 else {}
        window.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **text)
    window.run(FRAME)


def choose(window, name, value):
    window.run(
        f"""(() => {{ const part = [...document.querySelectorAll('[name={name}]')]
          .find((one) => one.tagName === 'SELECT' || one.value === '{value}');
          if (part.type === 'radio' || part.type === 'checkbox') part.click();
          else {{
            part.value = '{value}';
            part.dispatchEvent(new Event('change', {{bubbles: true}}));
          }}
        }})()"""
    )
    window.run(FRAME)


PAGES = (
    "index.html",
    "cohort.html",
    *(f"cases/{n}.html" for n in ("phantom001", "clinic7", "broken01")),
)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_fetched_and_nothing_goes_wrong(window, project, page):
    window.errors.clear()
    window.requests.clear()
    size(window, 1400)
    window.open(project.reports / page)
    if window.run("!!document.getElementById('slices')"):
        window.wait("document.getElementById('slices').dataset.state === 'ready'")
    window.run(FRAME)
    assert window.errors == []
    assert len([url for url in window.requests if not url.startswith("data:")]) == 1  # itself
    broken = "[...document.images].filter((i) => i.complete && !i.naturalWidth).length"
    assert window.run(broken) == 0


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [380, 1400])
def test_a_page_itself_never_scrolls_sideways(window, project, page, width):
    size(window, width)
    window.open(project.reports / page)
    assert window.run("document.documentElement.scrollWidth") <= width


def test_slices_are_drawn_and_scroll_by_the_keyboard(case):
    for plane in ("axial", "coronal", "sagittal"):
        canvas = f"[data-plane={plane}] canvas"
        first = drawn(case, canvas)
        assert first[0] > 5000
        case.run(f"document.querySelector('{canvas}').focus()")
        before = case.run("lacaf.view.at.join()")
        press(case, "ArrowUp")
        press(case, "ArrowUp")
        assert case.run("lacaf.view.at.join()") != before
        assert drawn(case, canvas) != first
        press(case, "ArrowDown")
        press(case, "ArrowDown")
        assert case.run("lacaf.view.at.join()") == before
        assert drawn(case, canvas) == first


def test_the_first_and_the_last_slice_are_the_ends(case):
    case.run(f"document.querySelector('{AXIAL}').focus()")
    press(case, "End")
    press(case, "ArrowDown")
    assert case.run("lacaf.view.at[0]") == 0
    press(case, "Home")
    press(case, "PageUp")
    assert case.run("lacaf.view.at[0]") == mini.GRID.shape[0] - 1


def test_each_class_has_its_colour_where_it_lies(case):
    case.run("lacaf.change({set: 'reference', opacity: 1})")
    case.run(FRAME)
    counts = case.run(f"{COLOURS}('{AXIAL}')")
    assert all(
        counts[name] > 50 for name in ("left_artery", "left_vein", "right_artery", "right_vein")
    )
    assert counts["missed"] == counts["false"] == counts["side"] == 0
    choose(case, "class", "left_vein")
    assert case.run(f"{COLOURS}('{AXIAL}')")["left_vein"] == 0


def test_errors_are_marked_and_unmarked(case):
    case.run("lacaf.change({set: 'unet-s0', at: [15, 12, 20], opacity: 1, mistake: null})")
    case.run(FRAME)
    counts = case.run(f"{COLOURS}('{AXIAL}')")
    assert counts["vessel"] > 1000  # all four vessels are swapped at this height
    assert counts["left_artery"] == counts["right_vein"] == 0
    press(case, "e")
    counts = case.run(f"{COLOURS}('{AXIAL}')")
    assert counts["left_artery"] > 50
    assert counts["vessel"] < 1000  # but for the letters and the cross


def test_the_list_of_errors_leads_to_their_place(case):
    press(case, "2")
    press(case, "3")
    assert case.run("lacaf.view.set") == "unet-s0"
    press(case, "n")
    assert case.run("lacaf.view.mistake") == 0
    at = case.run("document.querySelector('[data-mistake]').dataset.at")
    assert case.run("lacaf.view.at.join()") == at
    assert case.run("location.hash") == "#unet-s0-1"
    press(case, "n")
    assert case.run("location.hash") == "#unet-s0-2"
    press(case, "p")
    assert case.run("location.hash") == "#unet-s0-1"


def test_a_link_to_an_error_opens_the_page_there(window, project):
    page = project.reports / "cases" / "phantom001.html"
    open_case(window, page)
    window.run("location.hash = '#unet-s0-3'")
    window.run(FRAME)
    assert window.run("lacaf.view.mistake") == 2


def test_a_click_on_a_slice_moves_the_others(case):
    box = case.run(
        f"(() => {{ const b = document.querySelector('{AXIAL}').getBoundingClientRect();"
        " return [b.left, b.top, b.width, b.height]; })()"
    )
    before = case.run("lacaf.view.at")
    place = {"x": box[0] + box[2] * 0.5, "y": box[1] + box[3] * 0.5, "button": "left"}
    for kind in ("mousePressed", "mouseReleased"):
        case.call("Input.dispatchMouseEvent", type=kind, clickCount=1, **place)
    case.run(FRAME)
    z, y, x = case.run("lacaf.view.at")
    assert z == before[0]
    assert abs(y - (mini.GRID.shape[1] - 1) / 2) <= 1
    assert abs(x - (mini.GRID.shape[2] - 1) / 2) <= 1


def test_trees_are_drawn_and_turned_by_the_keyboard(case):
    before = drawn(case, TREES)
    assert before[0] > 2000
    case.run(f"document.querySelector('{TREES}').focus()")
    press(case, "ArrowRight")
    assert drawn(case, TREES) != before
    press(case, "r")
    assert drawn(case, TREES) == before
    press(case, "o")
    assert drawn(case, TREES)[0] < 500  # the cross alone


def test_all_trees_can_stand_side_by_side(case):
    captions = "[...document.querySelectorAll('[data-captions] span')].map((s) => s.textContent)"
    assert case.run(captions) == ["lacaf-s0"]
    choose(case, "beside", "on")
    assert case.run(captions) == ["hidden truth", "lacaf-s0", "unet-s0"]


def test_the_papers_colours_are_one_choice_away(case):
    case.run("lacaf.change({set: 'reference', opacity: 1})")
    before = drawn(case, AXIAL)
    choose(case, "palette", "paper")
    assert drawn(case, AXIAL) != before
    assert case.run(f"{COLOURS}('{AXIAL}')")["left_artery"] > 50
    assert case.run("lacaf.colours().classes.right_vein[1] > 100")  # green
    choose(case, "palette", "safe")
    assert drawn(case, AXIAL) == before


def test_the_window_changes_the_greys(case):
    press(case, "0")
    lung = drawn(case, AXIAL)
    choose(case, "window", "soft tissue")
    assert drawn(case, AXIAL) != lung


def test_tables_are_sorted_and_filtered(window, project):
    size(window, 1400)
    window.open(project.reports / "index.html")
    first = "document.querySelector('#cases ~ .scroll table tbody tr').cells[4].textContent"
    head = "document.querySelectorAll('#cases ~ .scroll table .sort')[7]"
    window.run(f"{head}.click()")
    lowest = window.run(first.replace("cells[4]", "cells[7]"))
    window.run(f"{head}.click()")
    highest = window.run(first.replace("cells[4]", "cells[7]"))
    assert float(lowest) < float(highest) == 1
    field = "[...document.querySelectorAll('.filter')].at(-1).querySelector('input')"
    window.run(f"{field}.value = 'unet vein'; {field}.dispatchEvent(new Event('input'))")
    shown = f"""[...{field}.closest('.filter').nextElementSibling.querySelectorAll('tbody tr')]
      .filter((row) => !row.hidden).map((row) => row.textContent.includes('vein'))"""
    assert window.run(shown) == [True] * 3  # left, right, both sides


@pytest.mark.parametrize("media", ["light", "dark"])
def test_text_stands_out_from_its_background(window, project, media):
    window.picture(media=media)
    window.open(project.reports / "index.html")
    contrast = window.run("""(() => {
      const light = (text) => {
        const part = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
      };
      const page = light(getComputedStyle(document.body).backgroundColor);
      return ["body", ".run", "nav a", "figcaption", ".kind strong"].map((chosen) => {
        const part = document.querySelector(chosen);
        const text = light(getComputedStyle(part).color);
        return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05);
      });
    })()""")
    assert min(contrast) >= 4.5  # WCAG 2.2, AA


def test_in_print_the_still_picture_takes_the_place_of_the_viewer(case):
    shown = "getComputedStyle(document.querySelector('{}')).display"
    assert case.run(shown.format(".still")) == "none"
    case.picture(media="print")
    assert case.run(shown.format(".still")) == "block"
    assert case.run(shown.format(".workplace")) == "none"
    assert case.run(shown.format("nav")) == "none"
    case.picture(media="light")
