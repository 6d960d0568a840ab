"""Draws docs/windows.svg, from a recording of the sample: its segments by speaker, its candidate and its kept windows.

Usage: python docs/draw_windows.py > docs/windows.svg
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import alm_beam

SAMPLE = Path(alm_beam.__file__).parent / "sample_data" / "conversations.jsonl"
RECORDING = 4
LEFT, RIGHT, WIDTH = 150, 930, 960
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by the colour-blind

TITLE = "Segments, candidate windows and kept windows of one recording"
STYLE = """
.card { fill: #ffffff; stroke: #d0d7de } text { font: 14px sans-serif; fill: #1f2328 } .small { font-size: 12px }
.axis { stroke: #6e7781 } .candidate { fill: #8c959f } .kept { fill: #8250df }
@media (prefers-color-scheme: dark) {
  .card { fill: #161b22; stroke: #3d444d } text { fill: #e6edf3 } .axis { stroke: #9198a1 } .candidate { fill: #6e7681 }
  .kept { fill: #a371f7 }
}
"""


def picture() -> str:
    """The picture, as SVG."""
    entry = json.loads(SAMPLE.read_text(encoding="utf-8").splitlines()[RECORDING])
    recording = alm_beam.parse_recording(entry)
    candidates = alm_beam.build_windows(recording, alm_beam.WindowConfig())
    kept = alm_beam.filter_overlaps(candidates)
    segments = entry["segments"]
    end = max(segment["end"] for segment in segments)
    speakers = sorted({segment["speaker"] for segment in segments})
    description = (
        f"A time line of {end:.0f} seconds. At the top, {len(segments)} segments of {len(speakers)} speakers, a row "
        f"for each speaker. Below, {len(candidates)} candidate windows of about 120 seconds, each a bar; most overlap. "
        f"At the bottom, the {len(kept)} windows that are kept."
    )
    body, height = _rows(segments, speakers, candidates, kept, end)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'aria-labelledby="title desc">',
            f'<title id="title">{TITLE}</title>',
            f'<desc id="desc">{description}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
            *body,
            "</svg>\n",
        ]
    )


def _rows(
    segments: Sequence[dict[str, Any]],
    speakers: Sequence[str],
    candidates: Sequence[alm_beam.Window],
    kept: Sequence[alm_beam.Window],
    end: float,
) -> tuple[list[str], int]:
    def x(seconds: float) -> float:
        return LEFT + (RIGHT - LEFT) * seconds / end

    def bar(start: float, stop: float, top: float, height: float, look: str) -> str:
        return f'<rect x="{x(start):.1f}" y="{top}" width="{x(stop) - x(start):.1f}" height="{height}" {look}/>'

    body, top = [], 20
    for speaker, colour in zip(speakers, COLOURS):
        body.append(f'<text x="20" y="{top + 14}">{speaker.replace("_", " ")}</text>')
        own = (segment for segment in segments if segment["speaker"] == speaker)
        body += [bar(each["start"], each["end"], top, 18, f'fill="{colour}"') for each in own]
        top += 24
    top += 12
    body.append(f'<text x="20" y="{top + 14}">{len(candidates)} candidate</text>')
    body.append(f'<text x="20" y="{top + 32}">windows</text>')
    for window in candidates:
        body.append(bar(window.start, window.end, top, 3, 'class="candidate"'))
        top += 4
    top += 16
    body.append(f'<text x="20" y="{top + 14}">{len(kept)} kept windows</text>')
    for window in kept:
        body.append(bar(window.start, window.end, top, 14, 'class="kept" rx="2"'))
        top += 18
    top += 6
    body += _axis(x, end, top)
    return body, top + 44


def _axis(x: Callable[[float], float], end: float, top: int) -> Iterator[str]:
    yield f'<line class="axis" x1="{LEFT}" y1="{top}" x2="{RIGHT}" y2="{top}"/>'
    for seconds in range(0, int(end) + 1, 60):
        yield f'<line class="axis" x1="{x(seconds):.1f}" y1="{top}" x2="{x(seconds):.1f}" y2="{top + 5}"/>'
        yield f'<text class="small" text-anchor="middle" x="{x(seconds):.1f}" y="{top + 20}">{seconds}</text>'
    yield f'<text class="small" text-anchor="end" x="{RIGHT}" y="{top + 36}">seconds</text>'


if __name__ == "__main__":
    print(picture(), end="")
