#!/usr/bin/env python3
"""Tit for tat, as src/logic/choker/tft.rs has it, up to the dice."""
import json, random, sys

turns, trials = [], []  # who is next on trial; who is on trial, and until which round


def seeding(s, wants):  # half of the slots go to whoever waited longest
    kept = sorted((p for p in wants if p["unchoked"]), key=lambda p: (-p["since"], p["peer"]))
    waiting = sorted((p for p in wants if not p["unchoked"]), key=lambda p: (p["since"], p["peer"]))
    stay = s["slots"] - min(len(waiting), (s["slots"] + 1) // 2)
    return [{"peer": p["peer"], "why": "its turn"} for p in (kept[:stay] + waiting)[:s["slots"]]]


def leeching(s, wants, dice):  # most slots are earned, the others are on trial in turns
    now, timers, slots = s["now"], s["timers"], s["slots"]
    length = max(1, round(timers["optimistic"] / timers["round"]))  # of a trial, in rounds
    gave = [p for p in wants if p["last_block"] is not None and now - p["last_block"] < timers["snub"]]
    dice.shuffle(gave)
    gave.sort(key=lambda p: (-p["gives"], not p["unchoked"], p["peer"] in dict(trials)))
    earned = s["round"] // length % 2 if slots == 1 else max(0, slots - max(1, slots // 4))
    served = [{"peer": p["peer"], "why": f"it gives {p['gives']} B/s"} for p in gave[:earned]]
    here, free = [p["peer"] for p in s["peers"]], slots - len(served)
    turns[:] = [peer for peer in turns if peer in here]
    for peer in (p for p in here if p not in turns):  # a newcomer is thrice as likely to be next
        turns.insert(max(0, dice.randrange(len(turns) + 3) - 2), peer)
    others = {p["peer"] for p in wants} - {p["peer"] for p in served}
    trials[:] = [t for t in trials if t[1] > s["round"] and t[0] in others]
    trials[:] = trials[max(0, len(trials) - free):]
    for peer in [p for p in turns if p in others.difference(t[0] for t in trials)][:free - len(trials)]:
        turns.append(turns.pop(turns.index(peer)))
        trials.append((peer, s["round"] + length))
    return served + [{"peer": peer, "why": "on trial"} for peer, _ in trials]


for s in map(json.loads, sys.stdin):
    wants = [p for p in s["peers"] if p["interested"]]
    served = seeding(s, wants) if s["seeding"] else leeching(s, wants, random.Random(s["dice"]))
    print(json.dumps({"unchoke": served}), flush=True)
