// As its README has it, with everything switched off that an expression does not need.
import { Human } from "@vladmandic/human";

const off = { enabled: false };
const human = new Human({
  backend: "wasm",
  wasmPath: "/wasm/",
  modelBasePath: "/models/",
  cacheModels: false,
  warmup: "none",
  filter: off,
  gesture: off,
  body: off,
  hand: off,
  object: off,
  segmentation: off,
  face: { enabled: true, mesh: off, iris: off, attention: off, description: off, antispoof: off, liveness: off, emotion: { enabled: true } },
});
const said = document.querySelector("#app");
const video = document.createElement("video");
const [, stream] = await Promise.all([human.load(), navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } })]);
video.srcObject = stream;
await video.play();
while (true) {
  const { face } = await human.detect(video);
  const [best] = face[0]?.emotion ?? [];
  if (best) said.textContent = `${best.emotion} ${Math.round(100 * best.score)} %`;
  await new Promise(requestAnimationFrame);
}
