// Checks a .glb with Khronos' validator and draws it with three.js in a headless browser, which fetches nothing else.
//
//   node viewer.mjs MODULES FILE.glb OUT_FOLDER WIDTH HEIGHT [SHOTS]
//
// MODULES: a node_modules folder with gltf-validator, three and playwright-core. SHOTS: JSON list of {seconds, degrees},
// how far into the animation (null: the photo's pose) and how far the person is turned. Draws OUT_FOLDER/0.png, 1.png...
// as the camera of the file sees them, and prints the validator's report.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [modules, file, out, width, height, shots] = process.argv.slice(2);
const load = createRequire(join(modules, "x.js"));
const data = readFileSync(file);
const report = await load("gltf-validator").validateBytes(new Uint8Array(data));
console.log(JSON.stringify(report.issues));

const PAGE = `<script type="importmap">
{"imports": {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
const renderer = new THREE.WebGLRenderer({ alpha: true, antialias: true, preserveDrawingBuffer: true });
renderer.setSize(${width}, ${height});
const gltf = await new GLTFLoader().loadAsync("/file.glb");
const scene = new THREE.Scene();
scene.add(gltf.scene);
const mixer = new THREE.AnimationMixer(gltf.scene);
const action = gltf.animations.length ? mixer.clipAction(gltf.animations[0]).setLoop(THREE.LoopOnce) : null;
if (action) action.clampWhenFinished = true;
window.draw = ({ seconds, degrees }) => {
  mixer.stopAllAction();
  if (seconds !== null) { action.reset().play(); mixer.setTime(seconds); }
  gltf.scene.rotation.y = (degrees * Math.PI) / 180;
  const camera = gltf.cameras[0].clone();
  camera.aspect = ${width} / ${height};
  camera.updateProjectionMatrix();
  renderer.render(scene, camera);
  return renderer.domElement.toDataURL("image/png");
};
window.ready = true;
</script>`;

if (shots) {
  const browser = await load("playwright-core").chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  });
  const page = await browser.newPage();
  page.on("console", (said) => console.error(said.text()));
  page.on("pageerror", (error) => console.error(String(error)));
  const type = { "": "text/html", js: "text/javascript", glb: "model/gltf-binary" };
  await page.route("**/*", (route) => {
    const path = new URL(route.request().url()).pathname;
    const body = path === "/" ? PAGE : path === "/file.glb" ? data : path.startsWith("/three/") ? readFileSync(join(modules, path)) : null;
    return body === null ? route.abort() : route.fulfill({ body, contentType: type[path.split(".").at(-1).replace("/", "")] });
  });
  await page.goto("http://viewer.test/");
  await page.waitForFunction("window.ready", null, { timeout: 60000 });
  for (const [number, shot] of JSON.parse(shots).entries()) {
    const url = await page.evaluate((shot) => window.draw(shot), shot);
    writeFileSync(join(out, `${number}.png`), Buffer.from(url.split(",")[1], "base64"));
  }
  await browser.close();
}
