// What a job looks like: waiting, at work, done, or refused.
import { ask } from "./api.js";
import { lasting, make, find } from "./dom.js";
import { plainly, sentence } from "./names.js";
import { showResult } from "./player.js";

const TASKS = { imitate: "Follow a clip", "novel-view": "Turn around", dress: "Change clothes", avatar: "3D avatar" };
const STAGES = { extract: "Reading the motion of the clip", imitate: "Drawing the frames", "novel-view": "Drawing the frames", dress: "Drawing the picture", avatar: "Moving the avatar" };

export const titleOf = (job) => `${TASKS[job.task]}${job.preview ? ", preview" : ""}`;

export function stateOf(job) {
  if (job.state === "queued") return job.ahead ? `Waiting, ${job.ahead} before it` : "Waiting";
  if (job.state === "running") return "At work";
  if (job.state === "failed") return sentence(plainly(job.error ?? "it failed"));
  if (job.state === "cancelled") return "Cancelled";
  return `Done in ${lasting(job.seconds)}`;
}

export class Stage {
  constructor(place, act) {
    Object.assign(this, { place, act, shown: null });
    this.showNothing();
  }

  draw(...parts) {
    const focused = this.place.contains(document.activeElement);
    this.place.replaceChildren(...parts);
    if (focused) this.place.parentElement.focus({ preventScroll: true });
  }

  showNothing() {
    this.shown = null;
    this.draw(make("div", { class: "empty" }, make("p", {}, "The result will be here."), make("p", { class: "hint" }, "Start with a preview: the first one takes longest.")));
  }

  async show(job) {
    const same = this.shown?.id === job.id && this.shown.state === job.state;
    this.shown = job;
    if (same && job.state !== "running" && job.state !== "queued") return;
    if (same) return this.drawProgress(job);
    if (job.state === "done") return this.showDone(job);
    if (job.state === "queued" || job.state === "running") return this.showWork(job);
    this.draw(this.title(job), make("div", { class: "working" }, make("p", { class: "sentence" }, stateOf(job)), this.again(job)));
  }

  title(job) {
    const made = job.state === "done" && job.frames > 1 ? `${job.frames} frames, ${lasting(job.seconds)}` : "";
    return make("div", { class: "title" }, make("h2", {}, titleOf(job)), make("p", { class: "hint" }, made));
  }

  showWork(job) {
    this.bar = make("progress", { "aria-label": "Progress" });
    this.what = make("p", {});
    this.pace = make("span", {});
    this.left = make("span", {});
    const stop = make("button", { type: "button", on: { click: () => this.act.cancel(job) } }, "Cancel");
    const figures = make("div", { class: "figures" }, this.pace, this.left);
    this.draw(this.title(job), make("div", { class: "working" }, this.what, this.bar, figures, make("div", {}, stop)));
    this.drawProgress(job);
  }

  drawProgress(job) {
    const now = job.progress ?? {};
    this.what.textContent = job.state === "queued" ? stateOf(job) : now.progress ? STAGES[now.progress] : "Preparing the person";
    if (now.of) [this.bar.max, this.bar.value] = [now.of, Math.min(now.frames, now.of)];
    else this.bar.removeAttribute("value");
    this.pace.textContent = now.frames_per_second ? `${now.frames_per_second.toFixed(1)} frames/s` : "";
    this.left.textContent = now.seconds_left != null ? `${lasting(now.seconds_left)} left` : "";
  }

  async showDone(job) {
    const seen = (id) => (id ? ask(`uploads/${id}`).catch(() => null) : null);
    const worn = job.task === "dress" ? Object.values(job.request.clothes)[0] : null;
    const [photo, clothes, clip] = await Promise.all([job.request.photos[0], worn, job.request.clip].map(seen));
    if (this.shown?.id !== job.id) return;
    if (clip) clip.file = `/api/uploads/${clip.id}/file`;
    const views = job.task === "avatar" ? await avatarView(job) : showResult(job, photo, clothes, clip, job.request.options.background === "alpha");
    const warnings = job.warnings.length ? make("ul", { class: "said" }, ...[...new Set(job.warnings)].map((text) => make("li", {}, plainly(text)))) : null;
    this.draw(this.title(job), ...views, this.links(job), warnings ?? "");
    this.place.dispatchEvent(new CustomEvent("shown"));
  }

  links(job) {
    const name = job.task === "avatar" ? "Download the avatar (.glb)" : job.media.startsWith("video/") ? "Download the video" : "Download the picture";
    const whole = make("button", { type: "button", class: "primary", on: { click: () => this.act.start({ ...job.request, preview: false }) } }, job.media.startsWith("video/") ? "Render the whole" : "Make it in full size");
    const avatar = make("button", { type: "button", on: { click: () => this.act.avatar(job) } }, "Make the 3D avatar");
    return make(
      "div", { class: "row" },
      job.preview ? whole : null,
      make("a", { class: "button", href: `${job.result}?download=true`, download: "" }, name),
      job.motion ? make("a", { class: "button", href: job.motion, download: "" }, "Download the motion") : null,
      job.task === "avatar" ? null : avatar,
    );
  }

  again(job) {
    return make("div", {}, make("button", { type: "button", on: { click: () => this.act.start(job.request) } }, "Try again"));
  }
}

async function avatarView(job) {
  try {
    if (!make("canvas").getContext("webgl2")) throw new Error("no WebGL");
    await import("./vendor/model-viewer.min.js");
  } catch {
    return [make("p", { class: "sentence" }, "This browser cannot show the avatar; download it instead.")];
  }
  const viewer = make("model-viewer", {
    src: job.result, "camera-controls": true, autoplay: true, "touch-action": "pan-y", "camera-orbit": "0deg 85deg 105%", "interaction-prompt": "none",
    "min-camera-orbit": "auto 20deg auto", "max-camera-orbit": "auto 150deg auto",
    "a11y": JSON.stringify({ "interaction-prompt": "Use the mouse, touch or arrow keys to turn the person" }), alt: "The person as a 3D avatar",
  });
  return [viewer, make("p", { class: "hint" }, "Drag, or press the arrow keys, to turn the person.")];
}
