"""Keys of permutations and picks: what depends on a seed and an epoch does so through a hash of both."""

from hashlib import blake2b

KEY_BYTES = 64


def derived_key(purpose: str, *parts: int | str) -> bytes:
    """KEY_BYTES bytes that are a function of the arguments; other arguments give bytes that have nothing to do with
    them.

    A sum of seed and epoch would give (1, 1) and (2, 0) the same order; this does not.

    Args:
        purpose: what the key is for.
        parts: what it depends on: seed, epoch, fingerprint of an index, ...
    """
    text = "\0".join((purpose, *(f"{type(part).__name__}:{part}" for part in parts)))
    return blake2b(text.encode(), digest_size=KEY_BYTES).digest()
