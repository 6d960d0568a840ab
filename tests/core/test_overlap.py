import pytest

from alm_beam.core.loss_stats import covered_seconds
from alm_beam.core.overlap import greedy_positions


@pytest.mark.parametrize(
    ("times", "percentage", "kept"),
    [
        pytest.param([(0, 10), (5, 15)], 50, [(0, 10)], id="at the threshold the later of two equals goes"),
        pytest.param([(0, 10), (5.1, 15.1)], 50, [(0, 10), (5.1, 15.1)], id="below the threshold both stay"),
        pytest.param([(0, 10), (10, 20)], 0, [(0, 10), (10, 20)], id="two that only touch do not overlap"),
        pytest.param([(0, 10), (9.9, 19.9)], 0, [(0, 10)], id="at 0 any overlap is too much"),
        pytest.param([(0, 9), (1, 11)], 50, [(1, 11)], id="the one further from the target goes"),
        pytest.param([(0, 9), (0, 11)], 50, [(0, 11)], id="at equal distance the shorter goes"),
        pytest.param([(0, 11), (1, 10)], 50, [(0, 11)], id="at equal distance the shorter goes, if later too"),
        pytest.param([(0, 12), (5, 7)], 100, [(0, 12)], id="the overlap is a fraction of the shorter"),
        pytest.param([(0, 10), (0, 10)], 100, [(0, 10)], id="of identical ones one stays"),
        pytest.param([(0, 9), (4, 14), (12, 19)], 20, [(4, 14)], id="one after the other"),
        pytest.param([(0, 10), (5, 14), (9, 20)], 20, [(0, 10), (9, 20)], id="one that has gone removes no others"),
        pytest.param([(0, 20), (1, 11), (10, 33)], 50, [(1, 11), (10, 33)], id="one that goes stops comparing"),
        pytest.param([], 50, [], id="nothing"),
    ],
)
def test_which_of_two_stays(times, percentage, kept):
    assert [times[at] for at in greedy_positions(times, percentage / 100, 10)] == kept


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([], 0),
        ([(0, 10), (20, 25)], 15),
        ([(0, 10), (10, 12)], 12),
        ([(0, 10), (2, 5), (4, 11)], 11),
        ([(-3, 0), (-3, 2)], 5),
    ],
)
def test_what_several_windows_hold_counts_once(times, seconds):
    assert covered_seconds(times) == seconds
