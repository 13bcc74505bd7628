// The page: what is chosen, the jobs of this visitor, and the one that is shown.
import { ask } from "./api.js";
import { find, lasting, make, say, warn } from "./dom.js";
import { openMirror } from "./live.js";
import { OptionForm } from "./options.js";
import { plainly, sentence } from "./names.js";
import { Picker } from "./pick.js";
import { Stage, stateOf, titleOf } from "./stage.js";

const POLL = { busy: 500, idle: 4000, away: 3000 }; // milliseconds
const form = find("#setup"), notice = find("#notice"), wear = find("#wear");
const sections = [...document.querySelectorAll(".pick")];
const [photos, driver, clothes] = sections.map((section) => new Picker(section, refresh));
const stage = new Stage(find("#show"), { cancel, start, avatar: (job) => start({ task: "avatar", photos: job.request.photos.slice(0, 1) }) });
let options, jobs = [], wanted = null, gone = false, timer;

const taskNow = () => new FormData(form).get("task");
const keep = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));
const kept = (name) => JSON.parse(sessionStorage.getItem(name) ?? "null");

function refresh() {
  const task = taskNow();
  for (const section of sections) section.hidden = section.dataset.tasks ? !section.dataset.tasks.split(" ").includes(task) : false;
  wear.hidden = task !== "imitate" && task !== "dress";
  find("summary", wear).hidden = task === "dress";
  if (task === "dress") wear.open = true;
  find("#preview").hidden = task === "avatar";
  const whole = find("#whole");
  whole.textContent = { imitate: "Render whole", "novel-view": "Render whole", dress: "Make the picture", avatar: "Make the avatar" }[task];
  find("#preview").textContent = task === "dress" ? "Small preview" : "Preview 3 s";
  whole.classList.toggle("alone", task === "avatar");
  whole.classList.toggle("primary", task === "avatar");
  notice.textContent = "";
  keep("chosen", { task, photos: photos.ids, driver: driver.ids, clothes: clothes.ids, options: options?.given });
}

function requestNow(preview) {
  const task = taskNow();
  const wrong = find("input:invalid", form);
  if (wrong) {
    wrong.closest("details")?.setAttribute("open", "");
    wrong.focus();
    throw new Error(`${wrong.labels[0].textContent}: ${wrong.validationMessage}`);
  }
  if ([photos, driver, clothes].some((one) => one.busy)) throw new Error("a file is still being looked at; wait a moment");
  if (!photos.ids.length) throw new Error("choose a photo of a person first");
  const request = { task, photos: photos.ids, preview, options: options.values };
  if (task === "imitate") {
    const [one] = driver.found;
    if (!one) throw new Error("choose a clip to follow first");
    request[one.kind] = one.id;
  }
  if (task === "dress" && !clothes.ids.length) throw new Error("choose a photo of the clothes first");
  if (!wear.hidden && clothes.ids.length) request.clothes = { all: clothes.ids[0] };
  else delete request.options.parts;
  return request;
}

async function start(request) {
  notice.textContent = "";
  try {
    const job = await ask("jobs", "POST", request);
    wanted = job.id;
    say(`${titleOf(job)} is queued.`);
    await poll();
    find("#stage").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  } catch (error) {
    notice.textContent = sentence(plainly(error.message));
  }
}

async function cancel(job) {
  await ask(`jobs/${job.id}/cancel`, "POST").then(() => warn(""), (error) => warn(sentence(error.message)));
  await poll();
}

async function forget(job) {
  const active = job.state === "queued" || job.state === "running";
  if (active) return cancel(job);
  await ask(`jobs/${job.id}`, "DELETE").then(() => warn(""), (error) => warn(sentence(error.message)));
  if (wanted === job.id) wanted = null;
  stage.showNothing();
  await poll();
  find("#history").focus({ preventScroll: true });
  find("#history-title").scrollIntoView({ block: "nearest" });
}

async function poll() {
  clearTimeout(timer);
  try {
    const before = new Map(jobs.map((job) => [job.id, job.state]));
    jobs = await ask("jobs");
    if (gone) warn("");
    gone = false;
    for (const job of jobs) if (before.has(job.id) && before.get(job.id) !== job.state) say(`${titleOf(job)}: ${stateOf(job)}`);
    const active = jobs.find((job) => job.state === "running") ?? jobs.find((job) => job.state === "queued");
    const shown = jobs.find((job) => job.id === wanted) ?? active ?? jobs[0];
    wanted = shown?.id ?? null;
    if (shown) await stage.show(shown);
    drawHistory();
    timer = setTimeout(poll, active ? POLL.busy : POLL.idle);
  } catch (error) {
    gone = true;
    warn(sentence(error.message));
    timer = setTimeout(poll, POLL.away);
  }
}

function drawHistory() {
  const list = find("#jobs"), rows = new Map([...list.children].map((row) => [row.dataset.id, row]));
  for (const job of jobs) {
    const row = rows.get(job.id) ?? list.appendChild(historyRow(job.id));
    rows.delete(job.id);
    const open = row.firstChild, state = `${new Date(job.created * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })} · ${stateOf(job)}`;
    open.setAttribute("aria-current", job.id === wanted);
    if (find(".state", row).textContent !== state) find(".state", row).textContent = state;
    find(".what", row).textContent = titleOf(job);
    const picture = job.strip ?? `/api/uploads/${job.request.photos[0]}/picture`;
    if (find("img", row).getAttribute("src") !== picture) find("img", row).src = picture;
    const active = job.state === "queued" || job.state === "running";
    row.lastChild.setAttribute("aria-label", `${active ? "Cancel" : "Delete"} ${titleOf(job)}`);
  }
  for (const row of rows.values()) row.remove();
  jobs.forEach((job, place) => {
    const row = [...list.children].find((one) => one.dataset.id === job.id);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place]);
  });
}

function historyRow(id) {
  const job = () => jobs.find((one) => one.id === id);
  const open = make("button", { type: "button", on: { click: () => ((wanted = id), stage.show(job()), drawHistory(), find("#stage").focus({ preventScroll: false })) } },
    make("img", { class: "strip", alt: "" }), make("span", {}, make("span", { class: "what" }), make("br"), make("span", { class: "state" })));
  return make("li", { class: "job", "data-id": id }, open, make("button", { type: "button", class: "round", on: { click: () => forget(job()) } }, "×"));
}

form.addEventListener("change", (event) => {
  if (event.target.name === "task") {
    options.show(taskNow());
    wear.open = clothes.files.length > 0;
  }
  refresh();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  try {
    start(requestNow(event.submitter?.value !== "whole"));
  } catch (error) {
    notice.textContent = sentence(error.message);
  }
});

const about = await ask("about");
const before = kept("chosen");
options = new OptionForm(find("#plain"), find("#rest"), find("#parts"), about.options, before?.options ?? {});
find("#keep").textContent = `Photos, clips and results are deleted after ${lasting(about.keep_hours * 3600)}.`;
if (before?.task) find(`[name=task][value=${before.task}]`).checked = true;
options.show(taskNow());
wear.open = Boolean(before?.clothes?.length);
refresh();
for (const [picker, ids] of [[photos, before?.photos], [driver, before?.driver], [clothes, before?.clothes]]) {
  for (const id of ids ?? []) ask(`uploads/${id}`).then((found) => picker.restore(found), () => {});
}
openMirror(find("#mirror-body"), () => photos.ids);
await poll();
