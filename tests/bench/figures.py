"""What was measured: rows with medians and goals, how quiet the machine was, and the table and JSON of both."""

import hashlib
import json
import os
import statistics
import time

NOISY = 1.25


class Figures:
    def __init__(self):
        self.rows, self.calibrations = [], []

    def row(self, case, what, value, unit, goal=None, spread=None, at_least=False):
        """Adds a figure. Its goal is the most that it should be, or the least."""
        self.rows.append(
            {"case": case, "what": what, "value": value, "unit": unit, "goal": goal, "spread": spread, "at_least": at_least}
        )

    def median(self, case, what, values, unit, goal=None):
        self.row(case, what, statistics.median(values), unit, goal, [min(values), max(values)])

    def ratio(self, case, what, over, under, goal=None, at_least=False):
        """Takes the ratio within each repetition, where both saw the same machine, and then the median."""
        ratios = [a / b for a, b in zip(over, under)]
        self.row(case, what, statistics.median(ratios), "", goal, [min(ratios), max(ratios)], at_least)

    def calibrate(self):
        """Does a fixed amount of work: if it does not always take the same time, someone else is at work here."""
        began = time.monotonic()
        for _ in range(20):
            hashlib.sha256(bytes(1 << 20)).digest()
        self.calibrations.append(time.monotonic() - began)

    def report(self, path):
        """Prints the table, and writes the figures to a file if there is a path."""
        noise = max(self.calibrations) / min(self.calibrations) if self.calibrations else 1
        width = {key: max(len(row[key]) for row in self.rows) for key in ("case", "what")}
        print(f"{'case':<{width['case']}}  {'what':<{width['what']}}  {'median':>9} {'':<4}{'spread':<17} goal")
        for row in self.rows:
            spread = f"{row['spread'][0]:.2f} - {row['spread'][1]:.2f}" if row["spread"] else ""
            words = [f"{row['case']:<{width['case']}}", f"{row['what']:<{width['what']}}"]
            words.append(f"{row['value']:>9.2f} {row['unit']:<4}{spread:<17} {judged(row)}")
            print("  ".join(words).rstrip())
        verdict = f"the same work took up to {noise:.2f} times as long"
        print(f"machine: {os.cpu_count()} cores; {verdict}{': TOO NOISY to trust' if noise > NOISY else ''}")
        if path:
            with open(path, "w", encoding="ascii") as file:
                json.dump({"rows": self.rows, "cores": os.cpu_count(), "noise": noise}, file, indent=2)


def judged(row):
    goal, value = row["goal"], row["value"]
    if goal is None:
        return ""
    met = value >= goal if row["at_least"] else value <= goal
    return f"{'>=' if row['at_least'] else '<='} {goal}  {'met' if met else 'NOT MET'}"
