#!/usr/bin/env python3
"""The peers that gave most, and nobody on trial: peer --choker exec:examples/choker/most_generous.py"""
import json
import sys

for line in sys.stdin:
    state = json.loads(line)
    wants = [p for p in state["peers"] if p["interested"]]
    wants.sort(key=lambda p: -p["gives"])
    served = [{"peer": p["peer"], "why": f"it gives {p['gives']} B/s"} for p in wants]
    print(json.dumps({"unchoke": served[:state["slots"]]}), flush=True)
