"""Looks at lines of manifests, place by place, and counts what a run would make of them. No Beam."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from alm_beam.core.estimate import Part, add_to
from alm_beam.core.faults import RejectReason
from alm_beam.core.manifest import ManifestLine
from alm_beam.jobs.sample import CPU, Sample
from alm_beam.report.table import counted
from alm_beam.storage.compression import is_compressed
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.sampling import LinesDrawn, Unseen

_CPU_SECONDS = 10.0
"""After so much work no more places are looked at."""

_WORK = 1.2
"""What a run takes for a recording, in multiples of what it takes here, where no Beam is."""

_WRITE_SECONDS = 2.9e-9
"""Of CPU, that a byte of the output takes beside that."""


def look_at_lines(
    sample: Sample,
    places: Iterable[LinesDrawn],
    manifests: Sequence[Manifest],
    made_of: Callable[[ManifestLine], Mapping[str, float]],
) -> None:
    """Adds to a sample what a run would make of the lines at these places.

    Args:
        sample: of bytes of the manifests, as stored.
        places: where lines were drawn.
        manifests: the files.
        made_of: the amounts of one line.

    Raises:
        ManifestReadError: a file cannot be read.
    """
    began, unseen = time.process_time(), Unseen()
    for place in places:
        begin = time.process_time()
        if begin - began > _CPU_SECONDS:
            sample.is_all = False
            sample.notes.append(f"the sample takes long: only {counted('{}|place', len(sample.parts))} of it counts")
            break
        amounts, size, is_file = dict.fromkeys(sample.outputs, 0.0), manifests[place.drawn.file].size, False
        for line in unseen.of(place):
            is_file = line.fault is not None and line.fault.reason is RejectReason.NOT_A_MANIFEST
            sample.looked_at += 1
            add_to(amounts, made_of(line))
        stored = unseen.stored(place, size)
        written = sum(amounts[name] for name in sample.outputs)
        amounts[CPU] = (time.process_time() - begin) * _WORK + written * _WRITE_SECONDS
        add_to(sample.counted, amounts)
        sample.parts.append(Part(place.drawn.file, float(size) if is_file else stored, amounts))
    if not sample.is_all and any(is_compressed(each.path) for each in manifests):
        sample.notes.append("of compressed files, only the beginning is looked at")
