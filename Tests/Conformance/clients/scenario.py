"""What every Python client's script shares: named checks, one printed line each, read by ../run."""

import sys
import time
import traceback
import uuid


def fresh(name):
    return f"{name}-{uuid.uuid4().hex[:8]}"


class Scenarios:
    """Runs functions named <area>_<what>; the area is a column of the table."""

    def __init__(self):
        self.functions = []

    def __call__(self, function):
        self.functions.append(function)
        return function

    def run(self, *arguments):
        for function in self.functions:
            area, _, what = function.__name__.partition("_")
            started = time.monotonic()
            try:
                function(*arguments)
                verdict, reason = "PASS", ""
            except BaseException as error:  # A client that hangs up with SystemExit has failed, too.
                verdict = "FAIL"
                place = traceback.extract_tb(error.__traceback__)[-1]
                reason = f"{type(error).__name__}: {error} (line {place.lineno})".replace("\n", " ")
            print(f"{verdict}\t{area}\t{what}\t{time.monotonic() - started:.1f}\t{reason}", flush=True)


def equal(found, expected, what="value"):
    if found != expected:
        raise AssertionError(f"{what}: {found!r:.300} instead of {expected!r:.300}")


def bootstrap():
    return sys.argv[1]
