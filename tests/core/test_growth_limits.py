"""Where growth stops, against looking at one segment after another."""

from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.growth_limits import find_bandwidth_limits, find_speaker_limits
from alm_beam.core.manifest import NO_SPEAKER


@given(st.lists(st.integers(0, 3)), st.integers(0, 4))
def test_bandwidth_limits(bandwidths, min_bandwidth):
    count = len(bandwidths)
    expected = [next((at for at in range(i, count) if bandwidths[at] < min_bandwidth), count) for i in range(count)]
    assert find_bandwidth_limits(bandwidths, min_bandwidth) == expected


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", 0, None, None, NO_SPEAKER]), max_size=30), st.integers(1, 4))
def test_speaker_limits(speakers, max_speakers):
    limits, slots, slot_count = find_speaker_limits(speakers, max_speakers)
    assert slot_count <= 1 + min(max_speakers, len(set(speakers) - {None, NO_SPEAKER}))
    assert all(0 <= slot < slot_count for slot in slots)
    for index in range(len(speakers)):
        held = set()
        for stop in range(index, len(speakers) + 1):
            if stop == len(speakers) or speakers[stop] == NO_SPEAKER:
                break
            if len(held | {speakers[stop]} - {None}) > max_speakers:
                break
            held |= {speakers[stop]} - {None}
        assert limits[index] == stop
        run = {(speaker, slot) for speaker, slot in zip(speakers[index:stop], slots[index:stop])}
        assert len({slot for _, slot in run}) == len(run) == len({speaker for speaker, _ in run})
        assert all((slot == 0) == (speaker is None) for speaker, slot in run)


def test_speakers_who_have_gone_leave_their_slots():
    found = find_speaker_limits([speaker for index in range(1000) for speaker in (index, NO_SPEAKER)], 10**9)
    assert found.slot_count == 2
