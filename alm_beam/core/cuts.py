"""The kept windows as Lhotse's cuts: one line of `cuts-*.jsonl` for each, a `MonoCut` or a `MultiCut`.

The fields and their constraints are those of Lhotse's documentation (https://lhotse.readthedocs.io, `MonoCut`,
`MultiCut`, `Recording`, `SupervisionSegment`) and of `lhotse.validate`: no time is negative, and every duration is
above 0. Lhotse's `CutSet.from_file` reads the lines, and so do tools that read by Lhotse, such as NeMo.

A cut states what can be heard in it. It ends where the audio ends, and it has the segments, the speakers and the
durations that are between its start and its end, which a window of segments in disorder also has others of. So do its
shares of speech and of overlapping speech, its longest pause and its changes of speaker.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import compress
from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import UNSET, UnsetType
from xxhash import xxh3_64_hexdigest

from alm_beam.core.channels import Channel, Channels, find_channels
from alm_beam.core.config import EntryConfig
from alm_beam.core.cut_labels import CutLabels
from alm_beam.core.entry_fields import ALWAYS_BYTES, EntryFields, bytes_of, entry_fields, serialised_fields
from alm_beam.core.faults import too_deep, unwritable
from alm_beam.core.manifest import Recording
from alm_beam.core.output_size import check_cuts_bytes
from alm_beam.core.overlap import KeptWindows
from alm_beam.core.recording_ids import recording_id
from alm_beam.core.speaker_labels import SpeakerLabel, distinct_names
from alm_beam.core.speech import WindowSpeech, speech_seconds, turns
from alm_beam.core.stated_audio import DIGITS, StatedAudio, recording_json, stated_audio
from alm_beam.core.stated_fields import audio_field, sample_rate_field, segments_field
from alm_beam.core.supervisions import Supervision, rounded, rounded_exactly, set_times, supervisions
from alm_beam.core.window_columns import SPEAKER_DURATIONS, WindowColumns

_DEFAULT = EntryConfig()

_HASH_DIGITS = 8

_STATED_BY_CUT = frozenset(
    {"num_speakers", "speaker_durations", "speech_fraction", "overlap_fraction", "longest_gap", "turns"}
)
"""Fields of an entry that, like its segments, are no custom fields of a cut, which states them for its window."""

_STATED_BY_RECORDING = frozenset({"audio_filepath", "audio_sample_rate"})
"""Fields of an entry that are no custom fields of a cut with a recording, which states them.

Nor are the fields that the audio file and the sample rate were taken from instead of these.
"""


class CutLines(NamedTuple):
    """The cuts of a recording as lines of JSON, and what an index states of each.

    Attributes:
        lines: without newlines.
        durations: of the cuts, seconds.
        labels: of the cuts.
    """

    lines: list[bytes]
    durations: list[float]
    labels: list[CutLabels]


class _Cut(msgspec.Struct, gc=False):
    """A `MonoCut` or `MultiCut` without its id, which is a hash of the other fields."""

    start: float
    duration: float
    channel: Channel
    supervisions: list[Supervision]
    recording: msgspec.Raw | UnsetType
    custom: dict[str, Any]
    type: str


class _Shared(msgspec.Struct, gc=False):
    """What all cuts of a recording share.

    Attributes:
        name: the id of the recording.
        audio: what its entry states of the audio.
        channels: the channels of the recording and of its segments.
        recording: Lhotse's `Recording` as JSON; UNSET if there is none.
        entry: the fields of the entry.
        are_ordered: whether the starts of its segments ascend.
    """

    name: str
    audio: StatedAudio
    channels: Channels
    recording: msgspec.Raw | UnsetType
    entry: EntryFields
    are_ordered: bool


_encode = msgspec.json.Encoder().encode


def to_cuts(kept: KeptWindows, config: EntryConfig = _DEFAULT) -> list[dict[str, Any]]:
    """The kept windows as Lhotse cuts, one dict for each. `lhotse.MonoCut.from_dict` takes them.

    A window that is on several channels is a cut of the type `MultiCut`: `lhotse.serialization.deserialize_item` takes
    both. A window that lies wholly outside the audio gives no cut.

    Args:
        kept: the kept windows of a recording, from `filter_overlaps`.
        config: which fields are left out. By default the words of the segments are.

    Raises:
        BadEntry: the manifest's entry is nested too deep to be written.

    >>> from alm_beam.core.config import WindowConfig
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.overlap import filter_overlaps
    >>> from alm_beam.core.windows import build_windows
    >>> segments = [{"start": 1, "end": 5, "speaker": "a"}, {"start": 5, "end": 10.5, "speaker": "b"}]
    >>> entry = {"audio_filepath": "meeting.wav", "audio_sample_rate": 16000, "segments": segments}
    >>> config = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> [cut] = to_cuts(filter_overlaps(build_windows(parse_recording(entry), config)))
    >>> cut["type"], cut["start"], cut["duration"], cut["recording"]["sampling_rate"]
    ('MonoCut', 1.0, 9.5, 16000)
    >>> [(each["speaker"], each["start"], each["duration"]) for each in cut["supervisions"]]
    [('a', 0.0, 4.0), ('b', 4.0, 5.5)]
    """
    return [orjson.loads(line) for line in serialise_cuts(kept, config).lines]


def serialise_cuts(kept: KeptWindows, config: EntryConfig) -> CutLines:
    """The cuts of a recording as JSON, a line for each kept window that has audio.

    The id of a cut consists of the id of its recording, the start and end of the window in milliseconds, and a hash of
    all other fields. Equal lines have equal ids in every run, and different lines have different ones.

    Raises:
        BadEntry: the manifest's entry is nested too deep to be written, or its cuts together would have more than about
            `config.max_line_bytes`.
    """
    check_cuts_bytes(kept, config)
    windows = kept.columns()
    cuts = CutLines([], [], [])
    if not windows:
        return cuts
    try:
        _add_lines(cuts, kept.candidates.recording, windows, _shared(kept, windows, config), config)
    except TypeError as error:
        raise unwritable(error) from None
    except RecursionError:
        raise too_deep() from None
    return cuts


def large_fields(kept: KeptWindows, config: EntryConfig) -> list[str]:
    """Fields of a recording's entry that are too large to be in its cuts; none if it has no cuts.

    Raises:
        BadEntry: the manifest's entry is nested too deep to be written.
    """
    entry = kept.candidates.recording.entry
    left_out = config.drop_fields_top_level | _STATED_BY_CUT | {segments_field(entry)}
    try:
        if kept.indices and bytes_of(serialised_fields(entry, left_out)) > ALWAYS_BYTES:
            return _shared(kept, kept.columns(), config).entry.large
        return []
    except TypeError as error:
        raise unwritable(error) from None


def _shared(kept: KeptWindows, windows: WindowColumns, config: EntryConfig) -> _Shared:
    recording = kept.candidates.recording
    name, audio, channels = recording_id(recording.entry), stated_audio(recording), find_channels(recording, config)
    json = recording_json(recording, name, audio, channels, max(max(recording.ends), max(windows.ends)))
    stated = _STATED_BY_CUT | {segments_field(recording.entry)}
    if json is not UNSET:
        stated |= _STATED_BY_RECORDING | channels.entry_fields | ({"duration"} if audio.end is not None else set())
        stated |= {name for name in (audio_field(recording.entry), sample_rate_field(recording.entry)) if name}
    fields = entry_fields(recording, kept.candidates.config.target_window_duration, config, stated)
    starts = recording.starts
    return _Shared(name, audio, channels, json, fields, starts == sorted(starts))


def _add_lines(
    cuts: CutLines, recording: Recording, windows: WindowColumns, shared: _Shared, config: EntryConfig
) -> None:
    name, audio, own, step = shared.name, shared.audio, shared.entry.fields, shared.audio.step
    starts, ends, labels = recording.starts, recording.ends, recording.speakers
    speech = WindowSpeech(starts, ends, labels, are_ordered=shared.are_ordered)
    labels_of = _Labels({field: value for field, value in recording.entry.items() if field in own})
    are_heard = min(windows.starts) >= 0 and audio.holds(max(windows.starts), math.inf)
    has_one_channel = shared.channels.of_segments is None
    head = b'{"id":%b-' % orjson.dumps(name)[:-1]
    for first, stop, start, end, truncation, inside, speaker_durations in zip(
        windows.firsts,
        windows.stops,
        windows.starts,
        windows.ends,
        windows.truncations,
        supervisions(recording, name, windows, config.drop_fields, shared.channels),
        windows.speaker_durations,
    ):
        if not are_heard and not audio.holds(start, end):
            continue
        begin = max(start, 0.0) + 0.0  # no -0.0
        until = end if audio.end is None or end < audio.end else audio.end
        duration = max(rounded_exactly(until - begin), step)
        its_starts, its_ends = starts[first:stop], ends[first:stop]
        if truncation is not None:
            its_ends[-1] = truncation.end
        is_window = set_times(inside, its_starts, its_ends, begin, until, duration, step)
        if truncation is not None and its_ends[-1] <= its_starts[-1]:
            inside[-1].duration = 0.0  # truncation left nothing
            is_window = False
        if is_window and speech.are_plain:
            speakers, changes = len(set(labels[first:stop])), speech.turns(first, stop)
            silence, overlap, longest_gap = speech.seconds(first, stop, begin, until, its_ends)
        else:
            part = _part(labels[first:stop], its_starts, its_ends, inside, until, is_window=is_window)
            inside, speakers, changes = part.inside, part.speakers, part.turns
            speaker_durations = part.speaker_durations or speaker_durations
            silence, overlap, longest_gap = speech_seconds(
                part.starts, part.ends, begin, until, are_ordered=shared.are_ordered
            )
        seconds = until - begin
        custom = {
            **own,
            "num_speakers": speakers,
            "speaker_durations": speaker_durations,
            "speech_fraction": rounded((seconds - silence) / seconds),
            "overlap_fraction": rounded(overlap / seconds),
            "longest_gap": rounded(longest_gap),
            "turns": changes,
        }
        channel = 0 if has_one_channel else _channel(inside, shared.channels)
        kind = "MonoCut" if type(channel) is int else "MultiCut"
        cut = _encode(_Cut(rounded_exactly(begin), duration, channel, inside, shared.recording, custom, kind))
        unique = xxh3_64_hexdigest(cut)[:_HASH_DIGITS].encode()
        cuts.lines.append(b'%b%.0f-%.0f-%b",%b' % (head, start * 1000, end * 1000, unique, cut[1:]))
        cuts.durations.append(duration)
        cuts.labels.append(labels_of[inside[0].language if inside else UNSET])


class _Part(NamedTuple):
    """What can be heard in a cut of a window.

    Attributes:
        inside: its supervisions.
        starts: of their segments, seconds.
        ends: of their segments, seconds.
        speakers: how many there are.
        turns: see `speech.turns`.
        speaker_durations: how long the speakers speak in the cut, seconds; None where it is as in the window.
    """

    inside: list[Supervision]
    starts: list[float]
    ends: list[float]
    speakers: int
    turns: int
    speaker_durations: list[float] | None


def _part(
    labels: list[SpeakerLabel],
    starts: list[float],
    ends: list[float],
    inside: list[Supervision],
    until: float,
    *,
    is_window: bool,
) -> _Part:
    """What can be heard in a cut, of a window's segments.

    Args:
        labels: the speakers of the segments.
        starts: of the segments, seconds.
        ends: of the segments, seconds.
        inside: their supervisions, with times.
        until: the end of the cut, seconds.
        is_window: whether all of them are heard as a whole.
    """
    if not is_window:
        ends = [stop if stop < until else until for stop in ends]
        heard = [each.duration for each in inside]
        if 0.0 in heard:
            inside, labels = list(compress(inside, heard)), list(compress(labels, heard))
            starts, ends = list(compress(starts, heard)), list(compress(ends, heard))
    distinct = set(labels)
    kinds = set(map(type, distinct))
    speaker_durations = None
    if not is_window or int in kinds:
        if int in kinds:
            labels = [str(label) if type(label) is int else label for label in labels]  # as they are stated
            distinct = set(labels)
        speaker_durations = _speaker_durations(inside, labels)
    speakers = len(distinct_names(distinct)) if tuple in kinds else len(distinct) - (None in distinct)
    return _Part(inside, starts, ends, speakers, turns(labels, kinds), speaker_durations)


class _Labels(dict[str | UnsetType, CutLabels]):
    """The labels of a recording's cuts, by the language of their first supervision."""

    def __init__(self, custom: Mapping[str, Any]):
        """
        Args:
            custom: the fields that all its cuts have.
        """
        super().__init__()
        self._custom = custom

    def __missing__(self, language: str | UnsetType) -> CutLabels:
        self[language] = labels = CutLabels.of({"custom": self._custom, "supervisions": [{"language": language}]})
        return labels


def _speaker_durations(inside: list[Supervision], speakers: list[SpeakerLabel]) -> list[float]:
    """How long the speakers of a cut speak in it, as `speaker_durations_of` gives it for a window, seconds."""
    sums: defaultdict[SpeakerLabel, float] = defaultdict(float)
    for supervision, label in zip(inside, speakers):
        if type(label) is tuple:
            for speaker in label:
                sums[speaker] += supervision.duration
        else:
            sums[label] += supervision.duration
    sums.pop(None, None)
    longest = sorted(sums.values(), reverse=True)[:SPEAKER_DURATIONS]
    return [round(seconds, DIGITS) for seconds in longest] + [0.0] * (SPEAKER_DURATIONS - len(longest))


def _channel(inside: list[Supervision], channels: Channels) -> Channel:
    """The channels of a cut: those of its supervisions; all of the recording if it has none."""
    if channels.of_segments is None:
        return 0
    found: set[int] = set()
    for each in inside:
        found.update(each.channel if isinstance(each.channel, list) else [each.channel])
    several = sorted(found) or channels.all
    return several[0] if len(several) == 1 else several
