"""Prometheus text format 0.0.4, read strictly: whatever a scraper might stumble over is an error."""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
TYPES = ("counter", "gauge", "histogram")


class Family:
    def __init__(self, name, help):
        self.name, self.help, self.type = name, help, None
        self.samples = {}  # (name, labels as sorted pairs) -> value

    def value(self, **labels):
        return self.samples[(self.name, tuple(sorted(labels.items())))]


def read_labels(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        assert found, f"no label at {text[at:]!r}"
        assert found[1] not in labels, f"label {found[1]} twice"
        assert found[3] or found.end() == len(text), f"something after {text[: found.end()]!r}"
        labels[found[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], found[2])
        at = found.end()
    return labels


def read_value(text):
    assert re.fullmatch(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|Inf)|NaN", text), f"no number: {text!r}"
    return float(text)


def belongs(name, family):
    if family.type == "histogram":
        return name in (family.name + "_bucket", family.name + "_sum", family.name + "_count")
    return name == family.name


def check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        series.setdefault(rest, {})[(name[len(family.name):], dict(labels).get("le"))] = value
    for parts in series.values():
        buckets = [(float(le), v) for (suffix, le), v in parts.items() if suffix == "_bucket"]
        assert buckets == sorted(buckets), f"{family.name}: buckets out of order"
        assert [v for _, v in buckets] == sorted(v for _, v in buckets), f"{family.name}: not cumulative"
        assert math.isinf(buckets[-1][0]) and buckets[-1][1] == parts[("_count", None)]
        assert parts[("_sum", None)] >= 0


def check_family(family):
    assert family.type, f"{family.name} has no TYPE"
    assert family.help, f"{family.name} has no HELP"
    assert family.type != "counter" or family.name.endswith("_total"), f"{family.name} is a counter"
    assert family.type == "gauge" or all(v >= 0 for v in family.samples.values())
    if family.type == "histogram":
        check_histogram(family)


def parse(text):
    """{name: Family}, or AssertionError."""
    families, family = {}, None
    assert text.endswith("\n") and "\r" not in text
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            name, _, help = line[7:].partition(" ")
            assert re.fullmatch(NAME, name) and name not in families, f"{name} comes twice"
            family = families[name] = Family(name, help)
        elif line.startswith("# TYPE "):
            name, _, type = line[7:].partition(" ")
            assert family and name == family.name and not family.type and not family.samples, line
            assert type in TYPES, line
            family.type = type
        else:
            found = SAMPLE.fullmatch(line)
            assert found and family and family.type and belongs(found[1], family), f"not of {family}: {line!r}"
            key = found[1], tuple(sorted(read_labels(found[2] or "").items()))
            assert key not in family.samples, f"twice: {line}"
            family.samples[key] = read_value(found[3])
    for family in families.values():
        check_family(family)
    return families
