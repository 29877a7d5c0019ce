// As its README has it: the tiny detector, and expressions.
import * as faceapi from "@vladmandic/face-api";

const said = document.querySelector("#app");
const video = document.createElement("video");
const models = async () => {
  faceapi.tf.setWasmPaths("/wasm/");
  await faceapi.tf.setBackend("wasm");
  await faceapi.tf.ready();
  await Promise.all([faceapi.nets.tinyFaceDetector.load("/models/"), faceapi.nets.faceExpressionNet.load("/models/")]);
};
const [, stream] = await Promise.all([models(), navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } })]);
video.srcObject = stream;
await video.play();
while (true) {
  const found = await faceapi.detectSingleFace(video, new faceapi.TinyFaceDetectorOptions()).withFaceExpressions();
  const [best] = found?.expressions.asSortedArray() ?? [];
  if (best) said.textContent = `${best.expression} ${Math.round(100 * best.probability)} %`;
  await new Promise(requestAnimationFrame);
}
