/** The smallest page: the element, and one line of what it says. */
import "@mer-edge/web/element";
import type { EmotionEstimate } from "@mer-edge/web";

const said = document.getElementById("said")!;
document.querySelector("mer-camera")!.addEventListener("estimate", (event) => {
  const { emotion, valence, arousal } = (event as CustomEvent<EmotionEstimate>).detail;
  said.textContent = `${emotion}, valence ${valence.toFixed(2)}, arousal ${arousal.toFixed(2)}`;
});
