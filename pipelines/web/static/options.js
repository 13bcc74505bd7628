// The options of a task, from the schema that the server reads off the command line's dataclasses.
import { upload } from "./api.js";
import { make } from "./dom.js";
import { labelOf, plainly, sentence } from "./names.js";

const PLAIN = {
  imitate: ["background", "quality"],
  "novel-view": ["background", "seconds", "turns"],
  dress: ["background"],
  avatar: [],
};
const CHOICES = {
  quality: { fast: "Fast", default: "Good", best: "Best, takes twice as long" },
  parts: { all: "All", upper: "Upper clothes", lower: "Lower clothes", shoes: "Shoes" },
};
const HELP = {
  imitate: { size: "Pixels of the longer side, at most. Default: 1920." },
  "novel-view": { azimuth: "Pictures side by side instead of a video, seen from these degrees: 0 is the photo's view, 90 shows the person's right side, 180 the back." },
};
const PEOPLE = [1, 2, 3, 4, 5, 6];
const BACKGROUNDS = { photo: "The photo’s own", driving: "The clip, without its person", colour: "A colour", file: "A picture or video of mine", alpha: "None, transparent" };

export class OptionForm {
  constructor(plain, rest, worn, schemas, given) {
    Object.assign(this, { plain, rest, worn, schemas, given });
  }

  show(task) {
    this.task = task;
    const names = Object.keys(this.schemas[task]).filter((name) => name !== "parts");
    const field = (name) => this.field(name, this.schemas[task][name]);
    this.plain.replaceChildren(...PLAIN[task].map(field));
    this.worn.replaceChildren(...("parts" in this.schemas[task] ? [field("parts")] : []));
    this.rest.replaceChildren(...names.filter((name) => !PLAIN[task].includes(name)).map(field));
  }

  get values() {
    if (this.task !== "avatar" && this.fileMissing) throw new Error("choose a picture or a video for the background first");
    const known = this.schemas[this.task];
    return Object.fromEntries(Object.entries(this.given).filter(([name, value]) => name in known && value !== undefined));
  }

  set(name, value, schema) {
    const unchanged = value === "" || value === null || value === schema.default || Number.isNaN(value);
    this.given[name] = unchanged ? undefined : value;
  }

  field(name, schema) {
    const id = `option-${name}`, title = labelOf(name);
    const help = make("p", { class: "help", id: `${id}-help` }, name === "background" ? "" : HELP[this.task]?.[name] ?? plainly(schema.description));
    const label = make("label", { for: id }, title);
    if (name === "background") return make("div", { class: "option" }, label, this.background(id, schema), this.backgroundExtra);
    const input = this.input(name, schema, id);
    const plain = PLAIN[this.task].includes(name) || name === "parts";
    if (!plain) input.setAttribute("aria-describedby", help.id);
    if (schema.type === "boolean") return make("div", { class: "option tick" }, input, label, help);
    return make("div", { class: "option" }, label, input, plain ? null : help);
  }

  input(name, schema, id) {
    const now = this.given[name] ?? schema.default;
    if (schema.type === "boolean") {
      const tick = make("input", { type: "checkbox", id, checked: Boolean(now) });
      tick.addEventListener("change", () => this.set(name, tick.checked, schema));
      return tick;
    }
    const someone = schema.anyOf ? [...schema.anyOf.flatMap((one) => one.enum ?? []), ...PEOPLE] : undefined;
    const choices = schema.enum ?? someone ?? (schema.type === "array" ? schema.items.enum : undefined);
    if (choices) {
      const chosen = Array.isArray(now) ? now[0] : now;
      const empty = schema.default == null ? [make("option", { value: "" }, "Automatic")] : [];
      const named = choices.map((one) => make("option", { value: one, selected: String(one) === String(chosen) }, CHOICES[name]?.[one] ?? labelOf(String(one))));
      const select = make("select", { id }, ...empty, ...named);
      select.addEventListener("change", () => this.set(name, schema.type === "array" ? [select.value] : select.value, schema));
      return select;
    }
    const number = schema.type === "number" || schema.type === "integer";
    const about = number ? { type: "number", min: schema.minimum, max: schema.maximum, step: schema.type === "integer" ? 1 : "any" } : { type: "text" };
    const several = schema.type === "array";
    const shown = several ? (now ?? []).join(" ") : now;
    const field = make("input", { ...about, id, value: shown ?? "", placeholder: schema.default?.length !== 0 && schema.default != null ? schema.default : schema.description.includes("Default") ? "Automatic" : "None" });
    field.addEventListener("change", () => {
      const words = field.value.trim();
      if (several) field.setCustomValidity(/^[-+.\d\s,]*$/.test(words) ? "" : "Give numbers, such as 0 90 180.");
      this.set(name, several ? words.split(/[\s,]+/).filter(Boolean).map(Number) : number ? (words ? Number(words) : "") : words, schema);
      if (several && !words) this.given[name] = undefined;
    });
    return field;
  }

  background(id, schema) {
    const possible = Object.entries(BACKGROUNDS).filter(([name]) => (name !== "driving" || this.task === "imitate"));
    const now = this.given.background ?? "photo";
    const kind = now in BACKGROUNDS ? now : now.startsWith("#") ? "colour" : "file";
    const select = make("select", { id }, ...possible.map(([name, text]) => make("option", { value: name, selected: name === kind }, text)));
    const colour = make("input", { type: "color", value: now.startsWith("#") ? now : "#3f6e8c", "aria-label": "Colour of the background" });
    const file = make("input", { type: "file", accept: "image/*,video/*", "aria-label": "Picture or video for the background" });
    const told = make("p", { class: "help", role: "status" });
    this.backgroundExtra = make("div", {}, colour, file, told);
    const choose = () => {
      colour.hidden = select.value !== "colour";
      file.hidden = select.value !== "file";
      told.textContent = "";
      this.fileMissing = select.value === "file";
      if (select.value === "colour") this.set("background", colour.value, schema);
      else if (select.value !== "file") this.set("background", select.value, schema);
    };
    select.addEventListener("change", choose);
    colour.addEventListener("input", choose);
    file.addEventListener("change", async () => {
      if (!file.files.length) return;
      told.textContent = "Looking at it …";
      this.fileMissing = true;
      try {
        const found = await upload(file.files[0], "background", () => {}, () => {});
        this.set("background", found.id, schema);
        this.fileMissing = false;
        told.textContent = `${found.name} is ready.`;
      } catch (error) {
        told.textContent = sentence(error.message);
      }
    });
    choose();
    if (kind === "file") this.fileMissing = false;
    return select;
  }
}
