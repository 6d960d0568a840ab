from collections import Counter

from alm_beam.core.losses import Losses, LossReason, LossStats
from alm_beam.transforms.statistics import StatisticsFn


def part(index: int) -> LossStats:
    losses = Losses(segments=index, seconds=index / 2)
    losses.lose(LossReason.WINDOW, [index / 4])
    return LossStats(recordings=1, longest_candidates=index, losses=losses, rejected=Counter({"not_json": index}))


def test_accumulators_merge_to_the_same_total_however_the_parts_are_grouped():
    fn = StatisticsFn(LossStats)
    totals = []
    for groups in ([range(40)], [range(3), range(3, 40), range(0)], [[index] for index in range(40)]):
        accumulators = []
        for group in groups:
            accumulator = fn.create_accumulator()
            for index in group:
                accumulator = fn.add_input(accumulator, part(index))
            accumulators.append(accumulator)
        totals.append(fn.extract_output(fn.merge_accumulators(accumulators)))
    assert totals[0] == totals[1] == totals[2]
    assert totals[0].recordings == 40
    assert totals[0].losses.lost[LossReason.WINDOW] == 40


def test_an_accumulator_does_not_grow_with_its_inputs():
    fn = StatisticsFn(LossStats)
    one, many = fn.create_accumulator(), fn.create_accumulator()
    for _ in range(1000):
        many = fn.add_input(many, part(1))
    one = fn.add_input(one, part(1))
    assert many.to_dict().keys() == one.to_dict().keys()
    assert len(many.rejected) == len(one.rejected) == 1
