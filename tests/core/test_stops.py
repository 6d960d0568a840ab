"""Where growth stops, against looking at one segment after another."""

from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.manifest import NO_SPEAKER
from alm_beam.core.stops import first_crossings, first_low_bandwidths, first_speakers_above

# Times on a coarse grid that floats cannot hold exactly: sums and differences meet the maximum and round both ways.
times = st.integers(0, 60).map(lambda tenths: tenths / 10) | st.integers(0, 600).map(
    lambda hundredths: hundredths / 100
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.tuples(times, times), max_size=30), st.integers(1, 300).map(lambda hundredths: hundredths / 100))
def test_first_crossings(pairs, most):
    starts, ends = [start for start, _ in pairs], [start + length for start, length in pairs]
    expected = [
        next((at for at in range(first, len(ends)) if ends[at] - starts[first] > most), len(ends))
        for first in range(len(starts))
    ]
    assert first_crossings(starts, ends, most) == expected


def test_crossings_are_decided_by_the_difference_and_not_by_the_sum():
    assert first_crossings([939.15], [952.35], 13.2) == [0]
    assert 952.35 <= 939.15 + 13.2
    assert first_crossings([58.79], [124.79], 66) == [1]
    assert 124.79 > 58.79 + 66


@given(st.lists(st.integers(0, 3)), st.integers(0, 4))
def test_first_low_bandwidths(bandwidths, least):
    count = len(bandwidths)
    expected = [next((at for at in range(i, count) if bandwidths[at] < least), count) for i in range(count)]
    assert first_low_bandwidths(bandwidths, least) == expected


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", 0, None, None, NO_SPEAKER]), max_size=30), st.integers(0, 4))
def test_first_speakers_above(speakers, most):
    firsts, slots = first_speakers_above(speakers, most)
    for index in range(len(speakers)):
        held = set()
        for stop in range(index, len(speakers) + 1):
            if stop == len(speakers) or speakers[stop] == NO_SPEAKER:
                break
            if len(held | {speakers[stop]} - {None}) > most:
                break
            held |= {speakers[stop]} - {None}
        assert firsts[index] == stop
        run = {(speaker, slot) for speaker, slot in zip(speakers[index:stop], slots[index:stop])}
        assert len({slot for _, slot in run}) == len(run) == len({speaker for speaker, _ in run})
        assert {slot for speaker, slot in run if speaker is None} <= {min(most, len(set(speakers) - {None}))}
