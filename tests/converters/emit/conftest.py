"""Makes the helpers of this folder and of the SDK's tests importable: pytest's importlib mode leaves them out."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "sdk")]
