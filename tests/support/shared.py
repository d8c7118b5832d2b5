"""Where the recorded material lies that some tests read: a folder `shared` beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the recorded traffic in ../shared, which is absent"
)
