"""The page's style sheet. Colours of targets are Okabe and Ito's, which colour-blind readers tell apart; each is
darkened or lightened until it has contrast 3:1 on its background."""

STYLE = """
:root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--ink:#1d2126;--soft:#5a626c;--rule:#e3e5e8;--axis:#9aa1a9;
--good:#1a7f4b;--bad:#b3261e;--heat:#2f6fab;--on-heat:#fff;--empty:#f1f2f4;
--tflite:#0072b2;--onnx:#b96a00;--executorch:#008a65;--coreml:#b0508a;--torch:#5a626c;--other:#5a626c;
--p0:#3c6e91;--p1:#7fa6bf;--p2:#b9a36a;--p3:#8a8f98}
@media (prefers-color-scheme:dark){:root{--page:#14171a;--card:#1b1f23;--ink:#e6e8ea;--soft:#a0a8b1;--rule:#2d3339;
--axis:#6b747d;--good:#4cc38a;--bad:#ff8a80;--heat:#6fb1e8;--on-heat:#0d1a26;--empty:#23282d;
--tflite:#56b4e9;--onnx:#f0a030;--executorch:#2fc79a;--coreml:#dd8fbd;--torch:#a0a8b1;--other:#a0a8b1;
--p0:#5f9cc4;--p1:#a9cbe0;--p2:#d0bc83;--p3:#878e97}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:28px 20px 56px}
h1{font-size:26px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:18px;margin:40px 0 4px;padding-top:14px;border-top:1px solid var(--rule);letter-spacing:-.005em}
h3{font-size:14px;margin:22px 0 2px;font-weight:600}
p{margin:4px 0 10px;max-width:80ch}p.note{max-width:120ch}
.lead{font-size:16px}.note,figcaption,.facts{color:var(--soft);font-size:13px;line-height:1.45}
.todo{border-left:3px solid var(--axis);padding:2px 0 2px 10px;color:var(--soft);font-size:14px}
nav{display:flex;flex-wrap:wrap;gap:2px 16px;margin:12px 0 0;font-size:14px}
a{color:inherit;text-underline-offset:3px;text-decoration-color:var(--axis)}
code{white-space:nowrap;font:12.5px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px;margin:10px 0}
.grid.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:8px;
padding:12px 12px 10px;min-width:0}
figure h4{margin:0 0 2px;font-size:13px;font-weight:600;overflow-wrap:anywhere}
figure p{margin:0 0 6px;color:var(--soft);font-size:12.5px}
figure svg{display:block;width:100%;height:auto;max-width:450px;margin:0 auto}
figcaption{margin-top:6px}
.scroll{overflow-x:auto;margin:10px 0;border:1px solid var(--rule);border-radius:8px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:13.5px;line-height:1.35}
th,td{padding:6px 10px;text-align:right;vertical-align:baseline;border-bottom:1px solid var(--rule);white-space:nowrap}
th{white-space:normal;font-weight:600;color:var(--soft);font-size:12.5px;vertical-align:bottom}
tbody tr:last-child td{border-bottom:0}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--card)}
td.text,th.text{text-align:left;white-space:normal;min-width:min(30ch,60vw)}
td .dot{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:7px}
.passed{color:var(--good);font-weight:600}.failed{color:var(--bad);font-weight:600}
.facts{padding-left:18px;margin:8px 0}.facts li{margin:2px 0;max-width:110ch}.facts b{font-weight:600;color:var(--ink)}
.key{display:inline-flex;align-items:center;gap:5px;margin:0 14px 2px 0}.key svg{width:auto;height:14px;flex:none}
.legend{font-size:13px;margin:6px 0 0}.swatch{width:11px;height:11px;border-radius:2px;display:inline-block}
svg text{font-size:12px;fill:var(--ink)}svg .tick{fill:var(--soft);font-size:11.5px}svg .label{fill:var(--soft)}
svg .value{font-size:12px}svg .cell{font-size:11.5px}svg .on-heat{font-size:11.5px;fill:var(--on-heat)}
svg .grid{stroke:var(--rule);stroke-width:1}svg .axis{stroke:var(--axis);stroke-width:1}
svg .diagonal{stroke:var(--axis);stroke-width:1.2;stroke-dasharray:4 4}
svg .whisker{stroke:var(--ink);stroke-width:1.3;opacity:.55}
svg .other{fill:var(--card);stroke:var(--ink);stroke-width:1.2}
svg .mark{fill:var(--c);fill-opacity:.38;stroke:var(--c);stroke-width:1.7;stroke-linejoin:round}
svg .bar{fill:var(--c);fill-opacity:.72}svg .muted{fill:var(--axis);fill-opacity:.55}
svg .heat{fill:var(--heat)}svg .empty{fill:var(--empty)}
svg .line{fill:none;stroke:var(--c);stroke-width:1.9;stroke-linejoin:round}
.s-fp16{stroke-dasharray:12 4}.s-w8{stroke-dasharray:1.5 3}.s-dyn8{stroke-dasharray:9 3 2 3}
.s-int8{stroke-dasharray:4 2.5}.s-w4{stroke-dasharray:1 4}
svg .part{fill:var(--c)}
svg .right{fill:var(--heat);fill-opacity:.5;stroke:var(--heat)}svg .wrong{stroke:var(--bad);stroke-width:2;fill:none}
figure video,figure img{display:block;width:100%;max-height:240px;background:#000;object-fit:contain;border-radius:4px}
figure audio{display:block;width:100%;margin:6px 0}
.t-tflite{--c:var(--tflite)}.t-onnx{--c:var(--onnx)}.t-executorch{--c:var(--executorch)}.t-coreml{--c:var(--coreml)}
.t-torch{--c:var(--torch)}.t-other{--c:var(--other)}
.dot{background:var(--c)}.p0{--c:var(--p0)}.p1{--c:var(--p1)}.p2{--c:var(--p2)}.p3{--c:var(--p3)}.swatch{background:var(--c)}
@media (max-width:520px){main{padding:18px 12px 40px}h1{font-size:22px}figure{padding:10px 8px}th,td{padding:5px 7px}}
@media print{body{background:#fff}figure,.scroll{break-inside:avoid}}
"""
