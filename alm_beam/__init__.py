"""Training windows for audio language models from diarized speech, as an Apache Beam batch job."""

__version__ = "0.1.0"
