"""A service for a Jetson or a Raspberry Pi: one JSON object a line on stdout, what happens to the devices on stderr.

    python demos/service.py bundles/grjca-tflite-fp32.mer --source camera+microphone --profile /var/lib/mer/person.json

It ends well on SIGTERM and SIGINT. With --profile, the person's baseline (means and counts of features, no sound, no
pictures) is loaded at the start and saved at the end. docs/app/sources.md has a systemd unit for it.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

from mer_sdk import LiveOptions, LiveSensor, Smoothing
from mer_sdk.errors import MerError
from mer_sdk.live.sources import Capture, named_sources


def stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def serve(options: argparse.Namespace) -> None:
    sources = named_sources(options.source, options.rate)
    live = LiveSensor.open(
        options.bundle,
        baseline=options.profile if options.profile and options.profile.exists() else None,
        smoothing=Smoothing(margin=0.1),
        options=LiveOptions(streams=tuple(stream for source in sources for stream in source.streams)),
    )
    with live, Capture(live, sources) as capture:
        told: dict[str, str] = {}
        try:
            while not live.over:
                estimate = live.get(timeout=1.0)
                if estimate is not None:
                    print(json.dumps(estimate.to_json()), flush=True)
                for source in capture.states():
                    if told.setdefault(source.name, "open") != source.state:
                        print(f"{source.name} is {source.state} {source.reason}", file=sys.stderr, flush=True)
                        told[source.name] = source.state
        except KeyboardInterrupt:
            pass  # asked to stop
        capture.close()
        live.finish()
        for estimate in live:
            print(json.dumps(estimate.to_json()), flush=True)
        if options.profile is not None:
            live.baseline.save(options.profile)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--source", default="camera+microphone", help="see mer run; default: camera+microphone")
    parser.add_argument("--rate", type=int, default=16000, help="of sound on standard input (--source -), Hz")
    parser.add_argument("--profile", type=Path, help="the person's baseline, loaded at the start and saved at the end")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        serve(options)
    except MerError as error:
        sys.exit(str(error))  # exit code 1: systemd starts it again


if __name__ == "__main__":
    main()
