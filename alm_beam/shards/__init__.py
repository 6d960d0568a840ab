"""What trainers read: the formats of shards, one file a format; bytes in, bytes out."""
