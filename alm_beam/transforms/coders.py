"""The coders of what passes between the steps of the job.

Nothing is encoded there, as the steps are one stage. But runners sample elements for their size, and without this an
element would be pickled to learn it: slow for a long recording, impossible for one that is nested deep.
"""

import pickle
from typing import Any

from apache_beam.coders import Coder, registry

from alm_beam.core.manifest import Element, ManifestLine


class ElementCoder(Coder):
    """Pickles; takes the size of the manifest's line (bytes) for the element's."""

    def encode(self, value: Any) -> bytes:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        return pickle.loads(encoded)

    def estimate_size(self, value: Any) -> int:
        return len(value.line.text)

    def is_deterministic(self) -> bool:
        return False


class LineCoder(ElementCoder):
    """The same for the line itself."""

    def estimate_size(self, value: Any) -> int:
        return len(value.text)


registry.register_coder(Element, ElementCoder)
registry.register_coder(ManifestLine, LineCoder)
