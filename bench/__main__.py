"""`make bench ARGS="--mb 100 --rounds 3"`: every variant once per round, then medians and ranges."""

import argparse
import signal
import sys

from bench.accident import Accident
from bench.delta import Deltas
from bench.ground import DATABASE, Ground
from bench.s3read import S3Reading
from bench.scanning import Scanning
from bench.staging import Staging
from bench.starting import Starting
from bench.swapping import Swapping
from bench.table import aligned
from bench.tapes import Tapes


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that everything is cleaned up then, too
    with (
        Ground.made(options.mb) as ground,
        Scanning.made(options.log_mb) as scan,
        S3Reading.made(options.bucket_mb) as bucket,
        Accident.made(options.rows) as accident,
    ):
        loads = Staging(ground)
        starts = Starting(ground)
        tapes = Tapes()
        deltas = Deltas(accident)
        swaps = [Swapping(ground, tables) for tables in options.tables]
        for swap in swaps:
            swap.prepare()
        _say(f"{DATABASE}: a dump of {ground.dump_bytes / 1e6:.0f} MB, {sum(ground.rows(ground.live))} rows")
        for number in range(options.rounds):
            for part in (loads, *swaps, deltas, scan, bucket, tapes, starts):
                part.round()
            _say(f"round {number + 1} of {options.rounds} is done")
        swapped = [swap.line for swap in swaps]
        others = [scan.line, *bucket.lines, *tapes.lines, *starts.lines]
        print(aligned([*loads.lines, *swapped, *deltas.lines, *others]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--mb", type=int, default=500, help="megabytes of the dump (default 500)")
    parser.add_argument("--log-mb", type=int, default=100, help="megabytes of the binary log (default 100)")
    parser.add_argument("--bucket-mb", type=int, default=200, help="megabytes of a dump in a bucket (default 200)")
    parser.add_argument("--rows", type=int, default=1_200_000, help="rows of a large table (default 1200000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--tables", type=int, nargs="+", default=[10, 200], help="sizes of the swap (default 10 200)")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
