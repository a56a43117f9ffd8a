"""An RTMP client that does one step when it is told to: for what programs do without a pause."""
import os
import re
import socket
import struct


def text(value):
    return b"\x02" + struct.pack(">H", len(value)) + value.encode()


def number(value):
    return b"\x00" + struct.pack(">d", value)


def record(fields):
    return b"\x03" + b"".join(struct.pack(">H", len(key)) + key.encode() + text(value) for key, value in fields.items()) + b"\0\0\x09"


class RtmpClient:
    """Connected when it is made, with message stream 1, unless the server refused that."""
    def __init__(self, port, app="live"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(b"\x03" + bytes(8) + os.urandom(1528))
        early = b""
        while len(early) < 3073:
            early += self.socket.recv(65536)
        self.socket.sendall(early[1:1537])
        self.message(2, 0, 1, struct.pack(">I", 65536))  # its chunks hold a whole message
        self.command(0, text("connect") + number(1) + record({"app": app, "tcUrl": f"rtmp://h/{app}"}))
        self.connected = self.status("Success", "Rejected") == "NetConnection.Connect.Success"
        self.command(0, text("createStream") + number(2) + b"\x05")

    def message(self, csid, msid, kind, body):
        self.socket.sendall(bytes([csid]) + bytes(3) + len(body).to_bytes(3, "big") + bytes([kind]) + struct.pack("<I", msid) + body)

    def command(self, msid, body):
        self.message(3, msid, 20, body)

    def publish(self, name):
        """The code of the answer."""
        self.command(1, text("publish") + number(0) + b"\x05" + text(name) + text("live"))
        return self.status("Start", "Denied", "BadName", "Failed")

    def status(self, *ends):
        """The first code that the server says now and that ends with one of these."""
        heard = b""
        while True:
            for code in re.findall(rb"Net[A-Za-z]+\.[A-Za-z]+\.[A-Za-z]+", heard):
                if code.decode().endswith(ends):
                    return code.decode()
            got = self.socket.recv(65536)
            assert got, "the server closed the connection"
            heard += got

    def close(self):
        self.socket.close()
