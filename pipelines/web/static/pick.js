// A place for photos or a clip: choose, drop, use the sample, record; what was found in each file stands beside it.
import { ask, upload } from "./api.js";
import { lasting, make, find, say } from "./dom.js";
import { recordClip } from "./camera.js";
import { plainly } from "./names.js";

const ACCEPT = {
  photo: "image/*,.heic,.heif,.avif",
  clip: "video/*,.mkv,.mts,.gif",
  motion: ".npz",
  background: "image/*,video/*,.heic",
};

export class Picker {
  constructor(section, changed) {
    Object.assign(this, { section, changed, files: [] });
    const { kind, also, many, sample } = section.dataset;
    Object.assign(this, { kind, also, many: Number(many ?? 1) });
    this.list = find(".files", section);
    this.place = find(".drop", section);
    this.title = find("h2", section).textContent.toLowerCase();
    this.build(sample, "camera" in section.dataset);
  }

  get ids() {
    return this.files.filter((one) => one.found).map((one) => one.found.id);
  }

  get found() {
    return this.files.filter((one) => one.found).map((one) => one.found);
  }

  get busy() {
    return this.files.some((one) => !one.found && !one.refused) && !this.section.closest("[hidden]");
  }

  build(sample, camera) {
    const accept = [this.kind, this.also].filter(Boolean).map((kind) => ACCEPT[kind]).join(",");
    const input = make("input", { type: "file", class: "unseen", accept, multiple: this.many > 1, tabindex: -1, "aria-label": `Choose ${this.title}` });
    input.addEventListener("change", () => (this.take([...input.files]), (input.value = "")));
    const open = make("button", { type: "button", on: { click: () => input.click() } }, `Choose ${this.many > 1 ? "photos" : "a file"}`);
    const choose = find(".choose", this.section);
    choose.append(open, input);
    choose.after(make("p", { class: "hint or" }, this.many > 1 ? "or drop photos here" : "or drop a file here"));
    if (sample) choose.append(make("button", { type: "button", class: "plainly", "aria-label": `Sample ${this.title}`, on: { click: () => this.useSample(sample) } }, "Sample"));
    if (camera && navigator.mediaDevices?.getUserMedia) {
      choose.append(make("button", { type: "button", class: "plainly", on: { click: (event) => this.record(event.target) } }, "Record 10 s"));
    }
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      this.place.addEventListener(name, (event) => {
        event.preventDefault();
        this.place.classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name === "drop") this.take([...event.dataTransfer.files]);
      });
    }
  }

  async record(button) {
    if (button.ariaDisabled) return;
    button.ariaDisabled = "true";
    try {
      this.take([await recordClip(this.place)]);
    } catch (error) {
      this.refuse("camera", error.message);
    }
    button.ariaDisabled = null;
  }

  refuse(name, why) {
    this.add(name, async () => {
      throw new Error(why);
    });
  }

  take(files) {
    if (this.many === 1) this.clear();
    const room = this.many - this.files.filter((one) => !one.refused).length, more = files.length - room;
    if (more > 0) this.refuse(more === 1 ? files.at(-1).name : `${more} files`, `no more than ${this.many} can be used; left out`);
    for (const file of files.slice(0, room)) {
      const kind = this.also && file.name.toLowerCase().endsWith(".npz") ? this.also : this.kind;
      this.add(file.name, (one) => upload(file, kind, (share) => (one.bar.value = share), (abort) => (one.abort = abort)), file);
    }
  }

  useSample(name) {
    if (this.many === 1) this.clear();
    this.add(`sample ${name}`, () => ask(`samples/${name}`, "POST"));
  }

  restore(found) {
    this.add(found.name, async () => found);
  }

  async add(name, send, file) {
    const one = { bar: make("progress", { max: 1, value: 0, "aria-label": `Upload of ${name}` }) };
    one.row = make("li", { class: "file" });
    this.files.push(one);
    this.list.append(one.row);
    const shown = file?.type.startsWith("image/") ? URL.createObjectURL(file) : null;
    this.drawRow(one, name, shown, [make("span", { class: "facts" }, "Looking at it …"), one.bar]);
    this.changed();
    try {
      one.found = await send(one);
      const good = !one.found.advice.length && one.found.kind === "photo";
      const advice = good ? ["A good photo."] : one.found.advice;
      const told = make("div", { class: good ? "advice good" : "advice" }, ...advice.map((text) => make("p", {}, plainly(text))));
      this.drawRow(one, one.found.name, one.found.picture, [make("span", { class: "facts" }, factsOf(one.found)), told]);
      say(`${one.found.name} is ready. ${advice.map(plainly).join(" ")}`);
    } catch (error) {
      const why = error.message.startsWith(`${name} is `) ? `this file${error.message.slice(name.length)}` : error.message;
      one.refused = true;
      one.row.classList.add("refused");
      this.drawRow(one, name, shown, [make("div", { class: "advice" }, make("p", {}, plainly(why)))]);
      say(`${name}: ${error.message}`);
    }
    this.changed();
  }

  drawRow(one, name, picture, told) {
    const empty = make("div", { class: "thumb" });
    const thumb = picture ? make("img", { class: "thumb", src: picture, alt: "", on: { error: () => thumb.replaceWith(empty) } }) : empty;
    const remove = make("button", { type: "button", class: "round", "aria-label": `Remove ${name}`, on: { click: () => this.remove(one) } }, "×");
    one.row.replaceChildren(thumb, make("div", {}, make("p", { class: "name" }, name), ...told), remove);
  }

  remove(one) {
    one.abort?.();
    one.row.remove();
    this.files = this.files.filter((other) => other !== one);
    this.changed();
    find("button", this.place.querySelector(".choose")).focus();
  }

  clear() {
    for (const one of [...this.files]) {
      one.abort?.();
      one.row.remove();
    }
    this.files = [];
  }
}

function factsOf(found) {
  const size = found.width ? `${found.width} × ${found.height}` : null;
  const long = found.seconds ? lasting(found.seconds) : null;
  const rate = found.rate ? `${Math.round(found.rate)} frames/s` : null;
  return [size, long, rate, found.sound ? "sound" : null].filter(Boolean).join(" · ");
}
