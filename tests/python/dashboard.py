"""Reads a dashboard by Grafana's published types, writes it again, and prints what was lost: a JSON list of paths."""

import json
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

# Older than those types, and still read by Grafana's Prometheus annotations.
KNOWN = {".annotations.list[0].titleFormat", ".annotations.list[0].step"}


def lost(before, after, path=""):
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name in after:
                yield from lost(value, after[name], f"{path}.{name}")
            elif value not in (None, [], {}, False):
                yield f"{path}.{name}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{path}[{number}]")
    elif before != after:
        yield path


plugins.register_default_plugins()
with open(sys.argv[1]) as file:
    written = json.load(file)
read = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))
print(json.dumps([path for path in lost(written, read) if path not in KNOWN]))
