"""The blocks of TypeScript in the docs, held to the types of @mer-edge/web by its compiler."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/ship/web.md", "web/sensor/README.md")
# What the blocks take from the app around them.
AROUND = """\
import type { EmotionEstimate, UtteranceEstimate } from "@mer-edge/web";
declare global {
  const samples: Float32Array;
  const seconds: number;
  const video: HTMLVideoElement;
  function show(estimate: EmotionEstimate | UtteranceEstimate): void;
  function words(sound: Float32Array, rate: number): Promise<string>;
}
"""


FENCED = re.compile(r"^```ts\n(.*?)^```", re.MULTILINE | re.DOTALL)
WRONG = 'import { openSensor } from "@mer-edge/web";\nawait openSensor({ bundel: "/a/" });\n'


@pytest.mark.slow
def test_blocks_of_typescript_fit_the_package(npm, web_modules, tmp_path):
    blocks = [
        (f"{Path(page).stem}{number}.ts", block)
        for page in PAGES
        for number, block in enumerate(FENCED.findall((ROOT / page).read_text()))
    ]
    assert len(blocks) >= 6
    sensor = ROOT / "web" / "sensor"
    base = json.loads((sensor / "tsconfig.json").read_text())["compilerOptions"]
    base |= {"noEmit": True, "types": [], "skipLibCheck": True, "noUnusedLocals": False}
    base["paths"] = {"@mer-edge/web": [str(sensor / "dist" / "index.d.ts")]}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": base, "include": ["*.ts"]}))
    for name, text in [*blocks, ("around.ts", AROUND)]:
        (tmp_path / name).write_text(text)
    compiler = web_modules / "typescript" / "bin" / "tsc"
    command = ["node", str(compiler), "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    # It can fail.
    (tmp_path / "wrong.ts").write_text(
        'import { openSensor } from "@mer-edge/web";\nawait openSensor({ bundel: "/a/" });\n'
    )
    assert "bundel" in subprocess.run(command, capture_output=True, text=True, check=False).stdout
