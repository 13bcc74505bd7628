// The webcam: a preview, and a clip of ten seconds.
import { make } from "./dom.js";

const SECONDS = 10, COUNTDOWN = 3;

export async function openCamera(longest = 1280) {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: longest }, facingMode: "user" }, audio: false });
  } catch (error) {
    throw new Error(error.name === "NotFoundError" ? "there is no camera" : "the camera was not allowed; allow it in the browser's settings of this page");
  }
}

export const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

export async function recordClip(place) {
  const stream = await openCamera();
  const shown = make("video", { autoplay: true, playsinline: true, muted: true, class: "camera", "aria-label": "Camera" });
  const told = make("p", { class: "hint", role: "status" }, "");
  const panel = make("div", { class: "recording" }, shown, told);
  shown.srcObject = stream;
  place.prepend(panel);
  try {
    for (let left = COUNTDOWN; left > 0; left--) {
      told.textContent = `Step back until all of you is seen: ${left}`;
      await wait(1);
    }
    const type = ["video/mp4", "video/webm;codecs=vp9", "video/webm"].find((one) => MediaRecorder.isTypeSupported(one));
    const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 6e6 }), parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    const ended = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    for (let left = SECONDS; left > 0; left--) {
      told.textContent = `Recording: ${left} s left`;
      await wait(1);
    }
    recorder.stop();
    await ended;
    return new File(parts, type.startsWith("video/mp4") ? "recording.mp4" : "recording.webm", { type });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    panel.remove();
  }
}
