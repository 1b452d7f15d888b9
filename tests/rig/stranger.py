"""Whoever dials us without being a server: raw connections, PROXY headers before them."""
import socket
import struct

HEADER = ("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
          "to='{to}' version='1.0'>")
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def proxy_v1(client, port=4000, to="127.0.0.1"):
    return f"PROXY TCP4 {client} {to} {port} 5269\r\n".encode()


def proxy_v2(client, port=4000, to="127.0.0.1", command=1):
    """command 0 is LOCAL: the balancer itself, looking whether we live."""
    addresses = socket.inet_aton(client) + socket.inet_aton(to) + struct.pack("!HH", port, 5269)
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x11, len(addresses)) + addresses


class Stranger(socket.socket):
    def __init__(self, address, first=b"", source=None):
        super().__init__(socket.AF_INET)
        self.settimeout(10)
        if source:
            self.bind((source, 0))
        try:
            self.connect(address)
            self.sendall(first)
        except ConnectionError:
            pass  # refused in the moment of coming in: as good as an end

    def open(self, to):
        try:
            self.sendall(HEADER.format(to=to).encode())
        except OSError:
            return b""
        return self.until(b"stream:features")

    def until(self, word):
        """What comes up to the word, or the end however it comes."""
        text = b""
        try:
            while word not in text and (chunk := self.recv(4096)):
                text += chunk
        except OSError:
            pass
        return text

    def ends(self):
        return b"features" not in self.until(b"never")
