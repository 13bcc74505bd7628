// Requests to the server. What it refuses is an Error with its one sentence.
import { find } from "./dom.js";
import { sentence } from "./names.js";

const GONE = "the server does not answer; see whether it still runs";

export async function ask(path, method = "GET", body) {
  const about = { method, headers: {} };
  if (body !== undefined) {
    about.body = JSON.stringify(body);
    about.headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(`/api/${path}`, about);
  } catch {
    throw new Error(GONE);
  }
  if (answer.status === 401 && path !== "session") {
    await askForToken();
    return ask(path, method, body);
  }
  const given = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(given?.error ?? GONE);
  return given;
}

export function upload(file, kind, progress, begun) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    begun(() => request.abort());
    request.open("POST", `/api/uploads?kind=${kind}&name=${encodeURIComponent(file.name ?? kind)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
    request.onload = () =>
      request.status === 201 ? done(request.response) : fail(new Error(request.response?.error ?? GONE));
    request.onerror = () => fail(new Error(GONE));
    request.send(file);
  });
}

let asking;

function askForToken() {
  asking ??= openTokenDialog().finally(() => (asking = undefined));
  return asking;
}

async function openTokenDialog() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  history.replaceState(null, "", location.pathname);
  const dialog = find("#token"), form = find("form", dialog), told = find(".notice", form);
  if (given) {
    try {
      return await ask("session", "POST", { token: given });
    } catch (error) {
      told.textContent = sentence(error.message);
    }
  }
  dialog.onclose = () => dialog.showModal();
  dialog.showModal();
  await new Promise((done) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await ask("session", "POST", { token: find("input", form).value });
        dialog.onclose = done;
        dialog.close();
      } catch (error) {
        told.textContent = sentence(error.message);
      }
    };
  });
}
