import warnings

from tf_lottery.core.warn import warn


def test_a_warning_points_at_the_first_line_outside_the_package():
    inside = {"__name__": "tf_lottery.deep", "warn": warn}
    exec("def one(): two()\ndef two(): warn('look')", inside)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside["one"]()
    assert caught[0].filename == __file__
