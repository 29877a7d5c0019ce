"""The page of `mer label`."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>mer label</title><style>
:root{color-scheme:light dark;--page:#fbfbfa;--ink:#1d2126;--soft:#5a626c;--rule:#d3d6da;--key:#eceef0}
@media (prefers-color-scheme:dark){:root{--page:#14171a;--ink:#e6e8ea;--soft:#a0a8b1;--rule:#39414a;--key:#23282d}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,sans-serif}
main{max-width:720px;margin:0 auto;padding:16px}
h1{font-size:15px;font-weight:600;margin:0 0 8px;overflow-wrap:anywhere}
.soft{color:var(--soft);font-size:14px;margin:4px 0}
#stage{min-height:120px}#stage video,#stage img{width:100%;max-height:52vh;background:#000;object-fit:contain}
#stage audio{width:100%;margin:36px 0}
#choices{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:8px;margin:14px 0 8px}
button{font:inherit;color:inherit;background:var(--key);border:1px solid var(--rule);border-radius:8px;
padding:10px 12px;text-align:left;cursor:pointer}button:focus-visible{outline:2px solid #0072b2}
kbd{font:12px ui-monospace,monospace;border:1px solid var(--rule);border-radius:4px;padding:1px 5px;margin-right:8px}
progress{width:100%;height:6px}
</style></head><body><main>
<progress id="bar" value="0" max="1"></progress><h1 id="name">loading</h1><p class="soft" id="said"></p>
<div id="stage"></div><div id="choices"></div>
<button id="again"><kbd>space</kbd>play again</button> <button id="skip"><kbd>s</kbd>later</button>
<button id="undo"><kbd>z</kbd>take back</button></main><script>
"use strict";
const at = id => document.getElementById(id);
const IMAGES = /\\.(jpe?g|png|webp|bmp)$/i, SOUND = /\\.(wav|flac|mp3|ogg|oga|opus|m4a|aac|wma|aiff?|amr)$/i;
let state, queue = [], current = null, player = null, busy = false;
async function ask(path, body) {
  const options = body === undefined ? {} :
    {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  try {
    const answer = await fetch(path, options);
    const found = await answer.json();
    if (found.error) throw new Error(found.error);
    return found;
  } catch (error) {
    at("said").textContent = `Nothing was written: ${error.message}. Is the command still running?`;
    return null;
  }
}
function show() {
  queue = queue.filter(number => state.open.includes(number));
  for (const number of state.open) if (!queue.includes(number)) queue.push(number);
  at("bar").max = state.files.length; at("bar").value = state.files.length - state.open.length;
  at("stage").replaceChildren();
  player = null;
  if (!queue.length) {
    current = null; at("choices").replaceChildren();
    at("name").textContent = `All ${state.files.length} clips have a label.`;
    at("said").textContent = `They are in ${state.table}; this page can be closed.`;
    return;
  }
  current = queue[0];
  const name = state.files[current];
  at("name").textContent = name;
  at("said").textContent = `${state.files.length - state.open.length} of ${state.files.length} have a label`;
  const kind = IMAGES.test(name) ? "img" : SOUND.test(name) ? "audio" : "video";
  player = document.createElement(kind);
  player.src = `clip/${current}`;
  if (kind !== "img") {
    player.controls = player.autoplay = true;
    player.addEventListener("error", () => { at("said").textContent =
      "This browser cannot play the file; open it in another program, and give the label here."; });
  }
  at("stage").append(player);
}
async function give(label) {
  if (current === null || busy) return;
  busy = true;
  const found = await ask("label", {number: current, label});
  busy = false;
  if (found) { state = found; show(); }
}
async function undo() {
  const found = await ask("undo", {});
  if (!found) return;
  state = found;
  if (found.back !== null) queue = [found.back, ...queue.filter(number => number !== found.back)];
  show();
}
function skip() { if (queue.length > 1) { queue.push(queue.shift()); show(); } }
function again() { if (player && player.play) { player.currentTime = 0; player.play().catch(() => {}); } }
at("again").onclick = again; at("skip").onclick = skip; at("undo").onclick = undo;
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") { event.preventDefault(); again(); }
  else if (event.key === "s") skip();
  else if (event.key === "z") undo();
  else if (/^[1-9]$/.test(event.key) && state && state.choices[event.key - 1]) give(state.choices[event.key - 1]);
});
ask("state").then(found => {
  if (!found) return;
  state = found;
  state.choices.forEach((label, place) => {
    const button = document.createElement("button");
    if (place < 9) button.append(Object.assign(document.createElement("kbd"), {textContent: place + 1}));
    button.append(label);
    button.onclick = () => { button.blur(); give(label); };
    at("choices").append(button);
  });
  show();
});
</script></body></html>
"""
