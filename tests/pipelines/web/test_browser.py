"""The page in a real browser, with real jobs."""

import os
import signal
import time
from pathlib import Path

import pytest

from motion_imitate.motion.file import load_motion
from motion_imitate.video import probe
from motion_imitate.weights import find_asset
from tests.support.chromium import open_chromium, serve_page, write_camera_file

pytestmark = pytest.mark.slow
PATIENCE = 240_000  # milliseconds
SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value;
  }).observe({ type: "layout-shift", buffered: true });
}"""
NAMED_ROLES = {"button", "link", "textbox", "spinbutton", "combobox", "checkbox", "radio", "slider", "Video", "image"}
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


def start_preview(page):
    use_samples(page)
    page.click("#preview")
    page.wait_for_selector("text=Preparing the person")


def keep_picture(page, name):
    if PICTURES is not None:
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def unnamed_parts(page):
    """What a screen reader is shown without a name."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in tree if not node["ignored"] and node["role"]["value"] in NAMED_ROLES]
    assert len(shown) > 10
    return [node for node in shown if not node.get("name", {}).get("value", "").strip()]


def focused(page):
    return page.evaluate("document.activeElement.textContent.trim() || document.activeElement.ariaLabel")


def press_until(page, key, name):
    for _ in range(60):
        if focused(page) == name:
            return
        page.keyboard.press(key)
    raise AssertionError(f"{name} is not reached")


def wait_until(said):
    end = time.monotonic() + PATIENCE / 1000
    while not said():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_sample_preview_whole_play_and_downloads(open_page, tmp_path):
    page = open_page()
    start_preview(page)
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
    page.select_option("#option-quality", "fast")
    start_preview(page)
    page.reload()
    page.wait_for_selector("#stage >> text=Cancel")
    assert page.input_value("#option-quality") == "fast"
    page.wait_for_selector(".file .name:has-text('sample photo')")
    page.click("#stage >> text=Cancel")
    page.wait_for_selector("#stage >> text=Cancelled")
    page.click("#stage >> text=Try again")
    page.wait_for_selector("#stage >> text=Cancel")
    page.click("#stage >> text=Cancel")
    page.wait_for_selector("#stage >> text=Cancelled")
    assert page.evaluate("document.activeElement.id") == "stage"
    page.get_by_role("button", name="Delete Follow a clip").first.click()
    wait_until(lambda: page.locator("#jobs .job").count() == 1)
    assert page.evaluate("document.activeElement.id") == "history"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_job_goes_on_after_a_restart_of_the_server(open_page, server, how):
    page = open_page()
    start_preview(page)
    server.stop(how)
    page.wait_for_selector("#warning:has-text('The server does not answer')")
    server.start()
    page.wait_for_selector("#stage >> text=Render the whole")
    assert page.locator("#warning").is_hidden()


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
    page.set_input_files(".pick[data-kind=photo] input >> nth=0", [find_asset("demo/photo.jpg")] * 10)
    page.wait_for_selector(".refused >> text=No more than 8 can be used")
    page.select_option("#option-background", "file")
    page.set_input_files("#plain input[type=file]", tmp_path / "<b>notes.jpg")
    page.wait_for_selector("#plain >> text=is not")
    page.click("text=Turn around")
    page.wait_for_selector(".file progress", state="detached")
    page.select_option("#option-background", "file")
    page.click("#preview")
    assert page.inner_text("#notice") == "Choose a picture or a video for the background first."
    page.select_option("#option-background", "photo")
    page.fill("#option-turns", "1000")
    page.click("#preview")
    assert page.inner_text("#notice").startswith("Turns: ")
    assert page.evaluate("document.activeElement.id") == "option-turns"
    assert page.locator("#jobs .job").count() == 0


def test_a_clip_is_followed_in_the_clothes_of_another(open_page):
    page = open_page()
    use_samples(page)
    page.click("text=In the clothes of")
    page.set_input_files(".pick[data-role=clothes] input", find_asset("demo/photo.jpg"))
    page.wait_for_selector(".pick[data-role=clothes] .advice.good")
    page.select_option("#option-parts", "lower")
    page.click("#preview")
    page.wait_for_selector("#stage >> text=Render the whole")
    request = page.evaluate("fetch('/api/jobs').then((answer) => answer.json())")[0]["request"]
    assert (list(request["clothes"]), request["options"]) == (["all"], {"parts": ["lower"]})


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
        assert unnamed_parts(page) == []
    page.click("summary")
    keep_picture(page, f"options_{width}_{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.shifts") < 0.1


def test_the_keyboard_alone_makes_and_plays_a_preview(open_page):
    page = open_page()
    for name in ("Choose photos", "Sample"):
        press_until(page, "Tab", name)
    page.keyboard.press("Enter")
    page.wait_for_selector(".advice.good")
    for name in ("Choose a file", "Sample"):
        press_until(page, "Tab", name)
    page.keyboard.press("Enter")
    page.wait_for_selector(".pick[data-kind=clip] .facts:has-text('frames/s')")
    for name in ("More options", "Preview 3 s"):
        press_until(page, "Tab", name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage >> text=Render the whole")
    press_until(page, "Tab", "Play")
    page.keyboard.press("Enter")
    wait_until(lambda: page.evaluate("document.querySelector('.result video').currentTime > 0.2"))
    page.keyboard.press("Enter")
    press_until(page, "Tab", "Position")
    page.keyboard.press("Home")
    wait_until(lambda: page.evaluate("document.querySelector('.result video').currentTime") == 0)
    assert unnamed_parts(page) == []


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
        page.goto(f"{guarded.url}#token=of-another-server")
        page.wait_for_selector("text=that is not the token")
        for _ in range(2):
            page.keyboard.press("Escape")
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
