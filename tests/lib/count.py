"""Adds up JUnit reports (of ctest and pytest): python3 count.py REPORT...

Prints `passed failed skipped` on the first line, then one line for each test that failed or
was skipped for a reason worth telling.
"""
import collections
import sys
import xml.etree.ElementTree as ET


def fate(case):
    """(fate, reason) of one <testcase>."""
    for tag in ("failure", "error"):
        if case.find(tag) is not None:
            return "failed", ""
    skipped = case.find("skipped")
    if skipped is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped", (skipped.get("message") or "") if skipped is not None else ""
    return "passed", ""


def main(paths):
    count = collections.Counter()
    failed, reasons = [], collections.Counter()
    for path in paths:
        for case in ET.parse(path).getroot().iter("testcase"):
            what, why = fate(case)
            count[what] += 1
            if what == "failed":
                failed.append(f"{case.get('classname')} {case.get('name')}")
            elif what == "skipped":
                reasons[why or case.get("name")] += 1
    print(count["passed"], count["failed"], count["skipped"])
    for name in failed:
        print("  failed:", name)
    for why, times in reasons.items():
        print(f"  skipped {times}: {why}")


main(sys.argv[1:])
