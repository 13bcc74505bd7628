// The result beside photo and driver, all scrubbed together.
import { clock, make } from "./dom.js";

const APART = 0.09; // seconds that the driver may be away from the result while both play
const STEP = 1 / 30;

export function showResult(job, photo, clothes, driver, transparent) {
  const video = job.media.startsWith("video/");
  const result = video
    ? make("video", { src: job.result, playsinline: true, loop: true, preload: "auto", "aria-label": "Result" })
    : make("img", { src: job.result, alt: "Result" });
  const other = driver && video ? make("video", { src: driver.file, playsinline: true, muted: true, preload: "auto", "aria-label": "Clip" }) : null;
  if (other) other.muted = true;
  const views = [
    photo ? view("Photo", make("img", { src: photo.picture, alt: "Photo" })) : null,
    clothes ? view("Clothes", make("img", { src: clothes.picture, alt: "Clothes" })) : null,
    other ? view("Clip", other) : null,
    view("Result", result, transparent ? "result clear" : "result"),
  ].filter(Boolean);
  const grid = make("div", { class: `views ${["", "one", "two", ""][views.length]}` }, ...views);
  other?.addEventListener("error", () => {
    other.parentElement.nextSibling.textContent = "Clip, its first frame: this browser cannot play it";
    other.replaceWith(make("img", { src: driver.picture, alt: "First frame of the clip" }));
  });
  result.addEventListener("error", () => (result.parentElement.nextSibling.textContent = "Result: this browser cannot show it; download it"));
  return video ? [grid, controls(result, other)] : [grid];
}

function view(title, inside, kind = "") {
  return make("figure", { class: `view ${kind}` }, make("div", { class: "box" }, inside), make("figcaption", {}, title));
}

function controls(result, other) {
  const play = make("button", { type: "button" }, "Play");
  const bar = make("input", { type: "range", min: 0, max: 1, step: STEP, value: 0, "aria-label": "Position" });
  const time = make("output", { class: "time" }, "0:00 / 0:00");
  const drawTime = () => {
    const length = Number.isFinite(result.duration) ? result.duration : 0;
    bar.max = length;
    bar.value = result.currentTime;
    bar.setAttribute("aria-valuetext", `${result.currentTime.toFixed(1)} of ${length.toFixed(1)} seconds`);
    time.textContent = `${clock(result.currentTime)} / ${clock(length)}`;
  };
  const follow = () => {
    if (other && other.readyState && Math.abs(other.currentTime - result.currentTime) > (result.paused ? STEP / 2 : APART)) {
      other.currentTime = Math.min(result.currentTime, other.duration || 0);
    }
  };
  const tick = () => {
    drawTime();
    follow();
    if (!result.paused && result.isConnected) requestAnimationFrame(tick);
  };
  play.addEventListener("click", () => (result.paused ? result.play() : result.pause()));
  bar.addEventListener("input", () => {
    result.currentTime = Number(bar.value);
    drawTime();
    follow();
  });
  result.addEventListener("play", () => {
    play.textContent = "Pause";
    other?.play().catch(() => {});
    tick();
  });
  result.addEventListener("pause", () => {
    play.textContent = "Play";
    other?.pause();
    follow();
  });
  for (const name of ["loadedmetadata", "seeked", "durationchange"]) result.addEventListener(name, () => (drawTime(), follow()));
  return make("div", { class: "controls", role: "group", "aria-label": "Player" }, play, bar, time);
}
