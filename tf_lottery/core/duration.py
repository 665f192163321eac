"""Times in words."""


def duration(seconds: float) -> str:
    """A time, in units that a person counts in.

    Example:
        >>> duration(8.34), duration(131), duration(3900)
        ('8.3 s', '2 min 11 s', '1 h 05 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
