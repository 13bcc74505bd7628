// The live mirror: camera in, person out. Pictures that there is no time for are dropped, so that it never lags behind.
import { openCamera } from "./camera.js";
import { find, make } from "./dom.js";
import { sentence } from "./names.js";

const LONGEST = 480, SENDS = 30, QUALITY = 0.8, BACKLOG = 60_000; // pixels, pictures a second, JPEG quality, bytes
const WINDOW = 2; // seconds over which rate and delay are measured

export function openMirror(place, photos) {
  const start = make("button", { type: "button" }, "Start the mirror");
  const told = make("p", { class: "hint", role: "status" }, "");
  let mirror, opening = false;
  start.addEventListener("click", async () => {
    if (opening) return;
    if (mirror) return mirror.stop();
    const [photo] = photos();
    if (!photo) return (told.textContent = "Choose a photo of a person first.");
    opening = true;
    try {
      mirror = await runMirror(place, photo, told, (why) => {
        mirror = null;
        start.textContent = "Start the mirror";
        told.textContent = why;
      });
      start.textContent = "Stop";
    } catch (error) {
      told.textContent = sentence(error.message);
    }
    opening = false;
  });
  place.replaceChildren(make("div", { class: "row" }, start, told));
}

async function runMirror(place, photo, told, stopped) {
  const stream = await openCamera(640);
  const camera = make("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "Camera" });
  const person = make("canvas", { role: "img", "aria-label": "The person of the photo, moving as you do" });
  const figures = make("p", { class: "hint", id: "mirror-figures" });
  const views = make("div", { class: "views two mirror" }, box("You", camera), box("The person", person));
  camera.muted = true;
  camera.srcObject = stream;
  place.append(views, figures);
  await camera.play();
  const scale = Math.min(1, LONGEST / Math.max(camera.videoWidth, camera.videoHeight));
  const sketch = new OffscreenCanvas(Math.round(camera.videoWidth * scale), Math.round(camera.videoHeight * scale));
  const brush = sketch.getContext("2d");
  brush.setTransform(-1, 0, 0, 1, sketch.width, 0);
  const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/api/live?photo=${photo}`);
  socket.binaryType = "arraybuffer";
  told.textContent = "Preparing the person …";
  let timer, why = "", ready = false, asked = false;
  const seen = [];
  const stop = () => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
    if (socket.readyState < 2) socket.close();
    views.remove();
    figures.remove();
    stopped(why || (asked ? "" : "The mirror has ended; start it again."));
  };
  const send = async () => {
    if (!ready || socket.readyState !== 1 || socket.bufferedAmount > BACKLOG) return;
    const now = performance.now() / 1000;
    brush.drawImage(camera, 0, 0, sketch.width, sketch.height);
    const picture = await (await sketch.convertToBlob({ type: "image/jpeg", quality: QUALITY })).arrayBuffer();
    const packet = new Uint8Array(8 + picture.byteLength);
    new DataView(packet.buffer).setFloat64(0, now, true);
    packet.set(new Uint8Array(picture), 8);
    if (socket.readyState === 1) socket.send(packet);
  };
  socket.onmessage = async (event) => {
    if (typeof event.data === "string") {
      const note = JSON.parse(event.data);
      if (note.ready) [ready, told.textContent] = [true, ""];
      else why = sentence(note.error);
      return;
    }
    const taken = new DataView(event.data).getFloat64(0, true);
    const picture = await createImageBitmap(new Blob([event.data.slice(8)], { type: "image/jpeg" }));
    if (person.width !== picture.width) [person.width, person.height] = [picture.width, picture.height];
    person.getContext("2d").drawImage(picture, 0, 0);
    const now = performance.now() / 1000;
    seen.push({ now, delay: now - taken });
    while (seen[0].now < now - WINDOW) seen.shift();
    const rate = seen.length / Math.min(WINDOW, Math.max(0.2, now - seen[0].now));
    const delay = seen.reduce((sum, one) => sum + one.delay, 0) / seen.length;
    figures.textContent = `${rate.toFixed(1)} frames/s, ${Math.round(delay * 1000)} ms behind you`;
  };
  socket.onclose = stop;
  timer = setInterval(send, 1000 / SENDS);
  return { stop: () => ((asked = true), stop()) };
}

function box(title, inside) {
  return make("figure", { class: "view" }, make("div", { class: "box" }, inside), make("figcaption", {}, title));
}
