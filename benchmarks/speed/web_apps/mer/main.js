import { startCamera } from "@mer-edge/web";

const said = document.querySelector("#app");
await startCamera({ bundle: "/model.mer/", finder: "/finder.mer/" }, ({ emotion, confidence }) => {
  said.textContent = `${emotion} ${Math.round(100 * confidence)} %`;
});
