"""What the tests of the web parts need, each looked for and skipped visibly: npm packages, a browser, the page."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"


@pytest.fixture(scope="session")
def npm():
    """Run npm in web/: `npm("run", "check")`; gives what it printed, with an assertion that it ended well."""
    if shutil.which("npm") is None or not (WEB / "node_modules" / "vitest").is_dir():
        pytest.skip("needs Node.js and npm's packages: cd web && npm ci")

    def run(*arguments, **variables):
        environment = {**os.environ, "MER_PYTHON": sys.executable, "NO_COLOR": "1", **variables}
        done = subprocess.run(
            ["npm", *arguments], cwd=WEB, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    return run
