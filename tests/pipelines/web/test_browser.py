"""The page in a real browser, with real jobs."""

import os
import time
from pathlib import Path

import pytest

from motion_imitate.motion.file import load_motion
from motion_imitate.video import probe
from tests.support.chromium import open_chromium, serve_page, write_camera_file

pytestmark = pytest.mark.slow
PATIENCE = 240_000  # milliseconds
SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value;
  }).observe({ type: "layout-shift", buffered: true });
}"""
UNNAMED = """() => [...document.querySelectorAll("button, input, select, video, canvas")]
  .filter((one) => one.checkVisibility() && !(one.ariaLabel || one.labels?.length || one.textContent.trim()))
  .map((one) => one.outerHTML)"""
PICTURES = Path(os.environ["WEB_PICTURES"]) if "WEB_PICTURES" in os.environ else None  # where screenshots are kept


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve_page(tmp_path_factory.mktemp("work")) as serving:
        yield serving


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_chromium(write_camera_file(tmp_path_factory.mktemp("camera") / "camera.y4m")) as opened:
        yield opened


@pytest.fixture
def open_page(browser, server):
    """A function that opens the page as another visitor; faults of the page fail the test."""
    contexts, faults = [], []

    def open_another(width=1400, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, permissions=["camera"]
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda sent: faults.append(sent.url) if is_foreign(sent.url, server.url) else None)
        page.add_init_script(f"({SHIFTS})()")
        page.goto(server.url)
        page.wait_for_selector("#option-background")
        return page

    yield open_another
    for context in contexts:
        context.close()
    assert faults == []


def is_foreign(url, home):
    return not url.startswith((home, home.replace("http", "ws"), "blob:", "data:"))


def use_samples(page):
    page.click(".pick[data-kind=photo] >> nth=0 >> text=Sample")
    page.click(".pick[data-kind=clip] >> text=Sample")
    page.wait_for_selector(".advice.good")
    page.wait_for_selector(".pick[data-kind=clip] .facts:has-text('frames/s')")


def keep_picture(page, name):
    if PICTURES is not None:
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def wait_until(said):
    end = time.monotonic() + PATIENCE / 1000
    while not said():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_sample_preview_whole_play_and_downloads(open_page, tmp_path):
    page = open_page()
    use_samples(page)
    page.click("#preview")
    page.wait_for_selector("text=Preparing the person")
    page.wait_for_selector("#stage >> text=Render the whole")
    keep_picture(page, "preview")
    page.click("#stage >> text=Render the whole")
    page.wait_for_selector("text=Reading the motion of the clip")
    page.wait_for_selector(".figures:has-text('frames/s')")
    keep_picture(page, "progress")
    page.wait_for_selector("text=Download the motion")
    page.click("#stage >> text=Play")
    videos = "[...document.querySelectorAll('.views video')]"
    wait_until(lambda: page.evaluate(f"{videos}.every((one) => one.currentTime > 0.3 && !one.error)"))
    page.click("#stage >> text=Pause")
    page.get_by_role("slider", name="Position").fill("1")
    wait_until(lambda: page.evaluate(f"{videos}.every((one) => Math.abs(one.currentTime - 1) < 0.06)"))
    with page.expect_download() as video:
        page.click("text=Download the video")
    with page.expect_download() as motion:
        page.click("text=Download the motion")
    video.value.save_as(tmp_path / "out.mp4")
    motion.value.save_as(tmp_path / "out.npz")
    assert probe(tmp_path / "out.mp4").frames == 100
    assert len(load_motion(tmp_path / "out.npz")[0]) == 100
    assert page.locator("#jobs .job").count() == 2


def test_a_job_is_still_there_after_a_reload_and_can_be_cancelled(open_page):
    page = open_page()
    use_samples(page)
    page.click("#whole")
    page.wait_for_selector("text=Preparing the person")
    page.reload()
    page.wait_for_selector("#stage >> text=Cancel")
    page.wait_for_selector(".file .name:has-text('sample photo')")
    page.click("#stage >> text=Cancel")
    page.wait_for_selector("#stage >> text=Cancelled")
    page.click("#stage >> text=Try again")
    page.wait_for_selector("#stage >> text=Cancel")
    page.click("#stage >> text=Cancel")
    page.wait_for_selector("#stage >> text=Cancelled")


def test_a_job_goes_on_after_a_restart_of_the_server(open_page, server):
    page = open_page()
    use_samples(page)
    page.click("#preview")
    page.wait_for_selector("text=Preparing the person")
    server.stop()
    server.start()
    page.wait_for_selector("#stage >> text=Render the whole")


def test_wrong_files_are_refused_beside_their_name(open_page, tmp_path):
    (tmp_path / "<b>notes.jpg").write_text("no picture")
    page = open_page()
    page.click("#preview")
    assert page.inner_text("#notice") == "Choose a photo of a person first."
    page.set_input_files(".pick[data-kind=photo] input >> nth=0", tmp_path / "<b>notes.jpg")
    page.wait_for_selector(".refused")
    assert page.inner_text(".refused .name") == "<b>notes.jpg"
    assert "is not a PNG" in page.inner_text(".refused .advice")
    page.get_by_role("button", name="Remove <b>notes.jpg").click()
    assert page.locator(".file").count() == 0


def test_two_visitors_wait_for_each_other_and_see_their_own_jobs(open_page):
    pages = [open_page(), open_page()]
    for page in pages:
        use_samples(page)
    for page in pages:
        page.click("text=Turn around")
        page.click("#preview")
    pages[1].wait_for_selector("#stage >> text=Waiting")
    for page in pages:
        page.wait_for_selector("#stage >> text=Render the whole")
        assert page.locator("#jobs .job").count() == 1


def test_the_avatar_turns_under_the_mouse_and_the_keys(open_page):
    page = open_page()
    use_samples(page)
    page.click("text=3D avatar")
    page.click("#whole")
    viewer = page.wait_for_selector("model-viewer")
    wait_until(lambda: viewer.evaluate("(viewer) => viewer.loaded"))
    turn = "(viewer) => viewer.getCameraOrbit().theta"
    before, box = viewer.evaluate(turn), viewer.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 450, box["y"] + 200, steps=5)
    page.mouse.up()
    wait_until(lambda: abs(viewer.evaluate(turn) - before) > 0.5)
    after = viewer.evaluate(turn)
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: abs(viewer.evaluate(turn) - after) > 0.05)
    keep_picture(page, "avatar")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light"), (390, "light"), (1400, "dark")])
def test_the_page_fits_does_not_jump_and_has_names(open_page, width, scheme):
    page = open_page(width, scheme)
    use_samples(page)
    for task in ("Turn around", "Change clothes", "3D avatar", "Follow a clip"):
        page.click(f".segments >> text={task}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        unnamed = page.evaluate(UNNAMED)
        assert unnamed == []
    page.click("summary")
    keep_picture(page, f"options_{width}_{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.shifts") < 0.1


def test_the_keyboard_alone_starts_a_preview(open_page):
    page = open_page()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.textContent.trim() || document.activeElement.value")
        if name == "Sample" and name not in reached:
            page.keyboard.press("Enter")
        reached.add(name)
    assert {"Choose photos", "Sample", "Preview 3 s", "Render whole", "More options"} <= reached
    page.wait_for_selector(".advice.good")


def test_ten_seconds_of_the_camera_become_a_clip(open_page):
    page = open_page()
    page.click("text=Record 10 s")
    page.wait_for_selector("text=Recording")
    page.wait_for_selector(".file .name:has-text('recording')")
    page.wait_for_selector(".pick[data-kind=clip] .facts:has-text('frames/s')")


def test_the_live_mirror_draws_what_the_camera_sees(open_page):
    page = open_page()
    use_samples(page)
    page.click("text=Start the mirror")
    page.wait_for_selector("#mirror-figures:has-text('frames/s')")
    page.wait_for_timeout(6000)
    print("live mirror:", page.inner_text("#mirror-figures"))
    keep_picture(page, "mirror")
    seen = "() => { const canvas = document.querySelector('#mirror canvas'); return canvas.toDataURL(); }"
    first = page.evaluate(seen)
    wait_until(lambda: page.evaluate(seen) != first)
    page.click("#mirror >> text=Stop")
    page.wait_for_selector("#mirror canvas", state="detached")


def test_a_token_is_asked_for_once(browser, tmp_path):
    with serve_page(tmp_path, "--host", "0.0.0.0", "--token", "correcthorsebattery") as guarded:
        page = browser.new_context().new_page()
        page.goto(guarded.url)
        page.fill("#token-field", "wrong")
        page.click("#token button")
        page.wait_for_selector("text=that is not the token")
        page.fill("#token-field", "correcthorsebattery")
        page.click("#token button")
        page.wait_for_selector("#option-background")
        page.reload()
        page.wait_for_selector("#option-background")
        other = browser.new_context().new_page()
        other.goto(f"{guarded.url}#token=correcthorsebattery")
        other.wait_for_selector("#option-background")
        assert other.url == guarded.url
