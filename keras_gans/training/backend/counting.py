"""What every backend says where devices or processes are not there."""


def check_devices(count: int | None, there: int, hint: str | None = None) -> None:
    """Raise `ValueError` where fewer devices are there than `count`; None asks for all."""
    if count is not None and count > there:
        more = f" ({hint})" if hint else ""
        verb = "is" if there == 1 else "are"
        raise ValueError(f"{count} devices are asked for, and {there} {verb} here{more}.")


LOST = (
    "Another process of this run has ended, or cannot be reached any more; what it said last tells "
    "why. Start all of them again, with --resume."
)
