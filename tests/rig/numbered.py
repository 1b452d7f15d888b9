"""Numbered messages that enter at several nodes, and what became of each, by ingress and pair."""
import collections
import threading
import time
from xml.sax.saxutils import quoteattr

from .component import NS, Component, condition_of
from .process import wait_for

TICK = 0.01


class Counter(Component):
    """Keeps when which number came, not the stanzas; ends its stream when the server ends its own.
    `arrivals`, `errors`: lists that it shares with others of its domain."""

    def __init__(self, *words, arrivals=None, errors=None, **options):
        self.arrivals = [] if arrivals is None else arrivals  # (when, id)
        self.errors = [] if errors is None else errors  # (when, id, (condition, type, text))
        self.writing = threading.Lock()
        self.over = False  # our end tag is out
        super().__init__(*words, **options)

    def raw(self, text):
        with self.writing:
            if self.over:
                raise OSError("the stream is over")
            super().raw(text)

    def take(self, event, element):
        super().take(event, element)
        if event == "end" and self.depth == 0:
            with self.writing:
                self.over = True
                self.socket.sendall(b"</stream:stream>")

    def take_element(self, element):
        if element.tag != f"{NS}message":
            super().take_element(element)
        elif element.get("type") == "error":
            self.errors.append((time.monotonic(), element.get("id"), condition_of(element)))
        else:
            self.arrivals.append((time.monotonic(), element.get("id")))


class Source(threading.Thread):
    """From each of `domains` in turn to the receiver, `rate` a second in all, as the ingress
    `name`. Begins at once; ends by stop(), or with its stream."""

    def __init__(self, component, receiver, name, domains, rate=200, size=100, to=None):
        super().__init__(daemon=True)
        self.component, self.name_of_ingress, self.domains = component, name, list(domains)
        self.to, self.rate, self.body = to or f"user@{receiver.domain}", rate, "x" * size
        self.sent = dict.fromkeys(self.domains, 0)
        self.over = threading.Event()
        self.turn = 0
        self.start()

    def stanza(self, domain):
        id = f"{self.name_of_ingress}:{domain}:{self.sent[domain]}"
        return (f"<message from={quoteattr('user@' + domain)} to={quoteattr(self.to)} id={quoteattr(id)}>"
                f"<body>{self.body}</body></message>")

    def send(self, count):
        """The numbers count as sent when they are given to the kernel, whole or in part."""
        for _ in range(count):
            domain = self.domains[self.turn % len(self.domains)]
            text = self.stanza(domain)
            self.sent[domain] += 1
            self.turn += 1
            self.component.raw(text)

    def run(self):
        begun = time.monotonic()
        try:
            while not self.over.is_set():
                self.send(max(0, min(int((time.monotonic() - begun) * self.rate) - self.turn, self.rate)))
                time.sleep(TICK)
        except OSError:
            pass  # its stream ended

    def stop(self):
        self.over.set()
        self.join(60)
        assert not self.is_alive(), f"{self.name_of_ingress}: the node does not read"


class Tally:
    """Of one ingress."""

    def __init__(self, source, receiver):
        self.source = source
        arrived = self.numbers((id for _, id in list(receiver.arrivals)))
        bounced = self.numbers((id for _, id, _ in list(source.component.errors)))
        self.reasons = collections.Counter(" ".join(why[:2]) + ": " + why[2].partition(":")[0]
                                           for _, id, why in list(source.component.errors) if self.is_mine(id))
        self.sent = sum(source.sent.values())
        self.arrived = self.bounced = self.twice = self.reordered = self.both = 0
        self.bounced_twice = 0
        self.example = None  # of disorder
        self.missing = {}  # domain -> numbers
        self.cut = {}  # of them, those behind the last that has a fate
        for domain, sent in source.sent.items():
            self.count(domain, sent, arrived[domain], bounced[domain])

    def is_mine(self, id):
        return id.startswith(self.source.name_of_ingress + ":")

    def numbers(self, ids):
        found = collections.defaultdict(list)
        for id in ids:
            if self.is_mine(id):
                _, domain, number = id.split(":")
                found[domain].append(int(number))
        return found

    def count(self, domain, sent, arrived, bounced):
        seen, highest = set(), -1
        for number in arrived:
            if number in seen:
                self.twice += 1
                continue
            seen.add(number)
            if number < highest:
                self.reordered += 1
                self.example = self.example or f"{domain}: {number} after {highest}"
            highest = max(highest, number)
        self.arrived += len(seen)
        self.bounced += len(set(bounced))
        self.bounced_twice += len(bounced) - len(set(bounced))
        self.both += len(seen & set(bounced))
        fates = seen | set(bounced)
        missing = set(range(sent)) - fates
        if missing:
            self.missing[domain] = sorted(missing)
            self.cut[domain] = [n for n in self.missing[domain] if n > max(fates, default=-1)]

    @property
    def open(self):
        return sum(len(numbers) for numbers in self.missing.values())

    def ends_cut(self):
        """What has no fate came last, in each pair."""
        return self.missing == {d: n for d, n in self.cut.items() if n}

    def __str__(self):
        text = (f"{self.source.name_of_ingress}: {self.sent} sent, {self.arrived} arrived, {self.bounced} came back, "
                f"{self.open} without a fate, {self.twice} twice, {self.reordered} out of order, {self.both} both")
        text += f" ({self.example})" if self.example else ""
        return text + (f" {dict(self.reasons)}" if self.reasons else "")


def settle(sources, receiver, seconds=60):
    """Stops them all and waits until everything has its fate; gives the tallies. Whose stream ended
    has the last ones unread, perhaps."""
    for source in sources:
        source.stop()

    def is_settled(source):
        tally = Tally(source, receiver)
        return tally.open == 0 or (source.component.ended.is_set() and tally.ends_cut())

    try:
        wait_for("every stanza has its fate", lambda: all(is_settled(s) for s in sources), seconds, step=0.2)
    except AssertionError:
        pass  # whoever reads the tallies will see
    tallies = [Tally(source, receiver) for source in sources]
    for tally in tallies:
        print(tally)
    return tallies


def check(tally, cut=False):
    """One fate each, in order. `cut`: its stream ended below it, so that the last ones of a pair
    may never have been read."""
    assert tally.reordered == 0, tally
    assert tally.both == tally.bounced_twice == 0, tally
    if cut:
        assert tally.ends_cut(), f"{tally}: {first_of(tally.missing)}"
    else:
        assert not tally.missing, f"{tally}: {first_of(tally.missing)}"


def first_of(missing):
    return {domain: f"{len(numbers)} from {numbers[0]} to {numbers[-1]}" for domain, numbers in list(missing.items())[:3]}


def silences(receiver, source, since, until):
    """Of each pair: the longest time in [since, until] without an arrival, and when it began."""
    times = {domain: [since] for domain in source.domains}
    prefix = source.name_of_ingress + ":"
    for when, id in list(receiver.arrivals):
        if since <= when <= until and id.startswith(prefix):
            times[id.split(":")[1]].append(when)
    found = {}
    for domain, list_of in times.items():
        list_of.append(until)
        gap, at = max((b - a, a) for a, b in zip(list_of, list_of[1:]))
        found[domain] = (gap, at)
    return found


def spread(name, values):
    """Prints the middle and the largest; gives the largest."""
    ordered = sorted(values)
    print(f"{name}: p50 {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s, of {len(ordered)}")
    return ordered[-1]


def heard_since(receiver, source, when):
    """The domains of the source whose messages arrived since then."""
    prefix = source.name_of_ingress + ":"
    found = set()
    for at, id in reversed(list(receiver.arrivals)):
        if at < when:
            return found
        if id.startswith(prefix):
            found.add(id.split(":")[1])
    return found
