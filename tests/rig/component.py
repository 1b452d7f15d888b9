"""A component (XEP-0114) for tests: plain code sends and waits, a thread reads."""
import hashlib
import itertools
import queue
import socket
import threading
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from . import SECRET

HANDSHAKE = 30  # seconds
NS = "{jabber:component:accept}"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='{domain}'>"
)


class Closed(Exception):
    """The server ended the stream; its error, if it sent one, is the text."""


def condition_of(stanza):
    """(condition, type, text) of a stanza of type error."""
    error = stanza.find(f"{NS}error")
    if error is None:
        return None
    named = [child.tag[len(ERRORS):] for child in error if child.tag.startswith(ERRORS)]
    text = error.findtext(f"{ERRORS}text") or ""
    return next(name for name in named if name != "text"), error.get("type"), text


class Component:
    """Connects at once; `echo`: answers each message that is no error with its body, reversed roles.
    When the server ends the stream it does so, too."""

    def __init__(self, address, domain, secret=SECRET, echo=False):
        self.domain, self.secret, self.echo = domain, secret, echo
        self.stanzas = queue.Queue()
        self.everything = []
        self.ids = itertools.count()
        self.sending = threading.Lock()
        self.handshaken = threading.Event()
        self.ended = threading.Event()
        self.error = None
        self.parser = ET.XMLPullParser(["start", "end"])
        self.depth, self.root = 0, None
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.settimeout(None)
        self.raw(HEADER.format(domain=domain))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        end = time.monotonic() + HANDSHAKE
        while not self.handshaken.wait(0.02):
            if self.ended.is_set():
                raise Closed(self.error)
            assert time.monotonic() < end, f"{domain}: no handshake within {HANDSHAKE} s"

    def raw(self, text):
        with self.sending:
            self.socket.sendall(text.encode())

    def answer_end(self):
        """Unless somebody is just sending, or there is no room: then it ends without an answer."""
        if not self.sending.acquire(blocking=False):
            return
        try:
            self.socket.send(b"</stream:stream>", socket.MSG_DONTWAIT)
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            self.sending.release()

    def read(self):
        try:
            while data := self.socket.recv(1 << 16):
                self.parser.feed(data)
                for event, element in self.parser.read_events():
                    self.take(event, element)
        except (OSError, ET.ParseError) as fault:
            self.error = self.error or str(fault)
        self.ended.set()

    def take(self, event, element):
        self.depth += 1 if event == "start" else -1
        if event == "start" and self.depth == 1:
            self.root = element
            digest = hashlib.sha1((element.get("id") + self.secret).encode()).hexdigest()
            self.raw(f"<handshake>{digest}</handshake>")
        elif event == "end" and self.depth == 1:
            self.take_element(element)
            self.root.clear()  # or the document grows without end
        elif event == "end" and self.depth == 0:
            self.answer_end()

    def take_element(self, element):
        if element.tag == f"{NS}handshake":
            self.handshaken.set()
        elif element.tag.endswith("}error"):
            self.error = ", ".join(child.tag.rpartition("}")[2] for child in element)
        elif element.tag in (f"{NS}message", f"{NS}presence", f"{NS}iq"):
            if self.echo and element.tag == f"{NS}message" and element.get("type") != "error":
                self.message(element.get("from"), element.findtext(f"{NS}body") or "", own=element.get("to"),
                             id=element.get("id"))
            self.everything.append(element)
            self.stanzas.put(element)

    def message(self, to, body="hello", own=None, id=None):
        """Gives the id."""
        id = id or f"m{next(self.ids)}"
        own = own or f"user@{self.domain}"
        self.raw(f"<message from={quoteattr(own)} to={quoteattr(to)} id={quoteattr(id)}>"
                 f"<body>{escape(body)}</body></message>")
        return id

    def iq(self, to, payload="<ping xmlns='urn:xmpp:ping'/>", kind="get"):
        id = f"q{next(self.ids)}"
        self.raw(f"<iq from='user@{self.domain}' to={quoteattr(to)} id='{id}' type='{kind}'>{payload}</iq>")
        return id

    def wait(self, id=None, seconds=20.0):
        """The next stanza, or the one with this id."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                stanza = self.stanzas.get(timeout=left)
            except queue.Empty:
                break
            if id is None or stanza.get("id") == id:
                return stanza
        raise AssertionError(f"{self.domain}: nothing with id {id} came within {seconds:g} s")

    def ask(self, to, body="hello", seconds=20.0):
        """Sends to somebody who echoes; gives what came back."""
        return self.wait(self.message(to, body), seconds)

    def bounce(self, to, seconds=20.0):
        """Sends where nothing can arrive; gives (condition, type, text)."""
        answer = self.ask(to, seconds=seconds)
        assert answer.get("type") == "error", ET.tostring(answer)
        return condition_of(answer)

    def close(self):
        try:
            self.raw("</stream:stream>")
            self.ended.wait(1)
        except OSError:
            pass
        self.socket.close()
