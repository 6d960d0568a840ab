"""A coder for what passes between the steps of one stage.

Nothing is encoded there. But runners sample elements for their size, and without this an element would be pickled to
learn it: slow for a long recording, impossible for one that is nested deep.
"""

import pickle
from typing import Any

from apache_beam.coders import Coder, registry

from alm_beam.core.manifest import Recording
from alm_beam.core.overlap import Selection
from alm_beam.core.windows import Candidates


class RecordingCoder(Coder):
    """Pickles; takes the size of the manifest's line (bytes) for the element's."""

    def encode(self, value: Recording | Candidates | Selection) -> bytes:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        return pickle.loads(encoded)

    def estimate_size(self, value: Recording | Candidates | Selection) -> int:
        return len(value.line.text)

    def is_deterministic(self) -> bool:
        return False


for _held in (Recording, Candidates, Selection):
    registry.register_coder(_held, RecordingCoder)
