"""Words for error messages."""

import difflib


def nearest(name, known):
    """`", did you mean 'a' or 'b'?"`-style hint for an unknown name, or an empty string."""
    found = difflib.get_close_matches(str(name), [str(k) for k in known], n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(repr(f) for f in found)}?)" if found else ""
