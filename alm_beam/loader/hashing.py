"""Keys of shuffled orders: hashes of seed, epoch and whatever else an order depends on."""

from hashlib import blake2b

KEY_BYTES = 64


def derived_key(purpose: str, *parts: int | str) -> bytes:
    """A hash of the arguments, of KEY_BYTES bytes. Different arguments give independent keys.

    (With the sum of seed and epoch as key, seed 1 in epoch 1 and seed 2 in epoch 0 would have the same order.)

    Args:
        purpose: what the key is for.
        parts: what it depends on: seed, epoch, fingerprint of an index, ...
    """
    text = "\0".join((purpose, *(f"{type(part).__name__}:{part}" for part in parts)))
    return blake2b(text.encode(), digest_size=KEY_BYTES).digest()
