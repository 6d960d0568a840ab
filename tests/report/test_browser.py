"""Reports in a real browser: `make test-report` installs what looks at them, and runs this."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from alm_beam.cli.main import main
from alm_beam.sample import SHIPPED
from tests.manifests import write
from tests.report.test_report import NASTY, hostile_lines, run

pytestmark = pytest.mark.browser

CHECK = Path(__file__).parent / "browser"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def test_reports_are_fit_for_a_phone_for_dark_rooms_and_for_readers_of_the_screen(tmp_path):
    if CHROMIUM is None or not (CHECK / "node_modules").is_dir():
        pytest.skip("needs Chromium, node and `npm ci` in tests/report/browser: make test-report")
    manifest = write(tmp_path / "<b>.jsonl", b"".join(map(hostile_lines, NASTY)))
    run(tmp_path / "usual", SHIPPED)
    run(tmp_path / "hostile", manifest, flags=("--max_reject_fraction=1", "--target_window_duration=30"))
    both = tmp_path / "both.html"
    assert main(["report", str(tmp_path / "usual"), str(tmp_path / "hostile"), f"--output={both}"]) == 0
    pages = [str(tmp_path / "usual" / "report.html"), str(tmp_path / "hostile" / "report.html"), str(both)]
    done = subprocess.run(
        ["node", "check.cjs", CHROMIUM, *pages], cwd=CHECK, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(looks) == 2 * 2 * len(pages)
    for look in looks:
        assert look["violations"] == [], look
        assert look["asked"] == look["said"] == []
        assert look["wide"] == look["width"], "nothing but tables is wider than the screen"
        assert look["smallest"] >= 11, "texts of drawings keep their size"
        assert "script" not in look["elements"]
        assert (look["back"] == "rgb(255, 255, 255)") == (look["scheme"] == "light")
    assert {look["scheme"] for look in looks} == {"light", "dark"}
