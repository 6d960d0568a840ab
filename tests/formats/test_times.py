import decimal
import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from alm_beam.formats.times import end_of, seconds_of

TIMES = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9, allow_nan=False)


@given(TIMES, TIMES)
def test_a_sum_is_the_float_nearest_to_the_sum_of_the_decimals(start, duration):
    assert end_of(start, duration) == float(Fraction(repr(start)) + Fraction(repr(duration)))


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 6))
def test_a_sum_has_no_more_digits_than_what_is_added(start, duration, digits):
    written = [float(f"{number}e-{digits}") for number in (start, duration, start + duration)]
    assert end_of(written[0], written[1]) == written[2]


@given(TIMES)
def test_milliseconds_are_divided_as_decimals(milliseconds):
    assert seconds_of(milliseconds) == float(Fraction(repr(milliseconds)) / 1000)


def test_the_decimals_of_the_process_have_no_say():
    with decimal.localcontext() as own:
        own.prec = 2
        own.traps[decimal.Inexact] = True
        assert end_of(123.456, 0.001) == 123.457
        assert seconds_of(123456) == 123.456


def test_a_sum_too_large_for_a_float_is_infinite():
    assert end_of(1e308, 1.7e308) == math.inf
    assert end_of(math.inf, 1.0) == math.inf
    assert math.isnan(end_of(math.nan, 1))
    assert math.isnan(end_of(math.inf, -math.inf))
