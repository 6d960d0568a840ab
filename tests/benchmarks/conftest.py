import io
import tarfile
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two recordings of 15 minutes, in which two speakers take turns of 2 to 8 s."""
    random = np.random.default_rng(0)
    path = tmp_path / "made.tar.xz"
    with tarfile.open(path, "w:xz") as members:
        for name in ("monday", "tuesday"):
            ends = np.cumsum(random.uniform(2, 8, 180)).round(2)
            lines = [
                f"SPEAKER {name} 1 {start:.2f} {end - start:.2f} <NA> <NA> {'ab'[turn % 2]} <NA> <NA>\n"
                for turn, (start, end) in enumerate(zip([0.0, *ends], ends))
            ]
            content = "".join(lines).encode()
            member = tarfile.TarInfo(f"train/{name}.rttm")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return path
