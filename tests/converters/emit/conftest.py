"""Makes the helper modules of this folder importable: pytest's importlib mode leaves them out."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
