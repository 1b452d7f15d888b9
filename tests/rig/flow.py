"""Numbered messages from one component to another, as fast as asked, and what became of each."""
import threading
import time


class Flow(threading.Thread):
    """Begins at once; `batch` messages, then `pause` seconds. Ends by stop(), or with its stream."""

    def __init__(self, sender, receiver, to=None, batch=100, pause=0.01, count=None, size=200):
        super().__init__(daemon=True)
        self.sender, self.receiver = sender, receiver
        self.to = to or f"user@{receiver.domain}"
        self.batch, self.pause, self.count, self.body = batch, pause, count, "x" * size
        self.over = threading.Event()
        self.sent = []
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                for _ in range(self.batch):
                    id = f"{self.sender.domain}-{len(self.sent)}"
                    self.sent.append(id)
                    self.sender.message(self.to, self.body, id=id)
                    if len(self.sent) == self.count:
                        return
                time.sleep(self.pause)
        except OSError:
            pass  # the stream ended below us

    def stop(self):
        self.over.set()
        self.join()

    def mine(self, stanzas, error):
        ours = f"{self.sender.domain}-"
        return [s.get("id") for s in list(stanzas) if (s.get("type") == "error") is error and s.get("id").startswith(ours)]

    def arrived(self):
        return self.mine(self.receiver.everything, error=False)

    def bounced(self):
        return self.mine(self.sender.everything, error=True)

    def check(self, all_sent=True, uncertain=False):
        """One fate each, arrivals in order; gives how many (arrived, came back). Not `all_sent`: the
        router may have left the last ones unread, but nothing before something that has a fate.
        `uncertain`: of the last that arrived, it may have been told too late."""
        order = {id: n for n, id in enumerate(self.sent)}
        arrived, bounced = ([order[id] for id in ids] for ids in (self.arrived(), self.bounced()))
        assert arrived == sorted(set(arrived)), "twice, or out of order"
        assert len(bounced) == len(set(bounced)), "came back twice"
        fates = set(arrived) | set(bounced)
        missing = sorted(set(range(len(self.sent) if all_sent else max(fates, default=0))) - fates)
        said = f"of {len(self.sent)} {len(arrived)} arrived, {len(bounced)} came back"
        assert not missing, f"{said}, but {len(missing)} are missing: {missing[:5]}..."
        both = sorted(set(arrived) & set(bounced))
        assert both == (arrived[-len(both):] if both and uncertain else []), f"{said}, both: {both[:5]}..."
        return len(arrived), len(bounced)
