"""The few frames of the client protocol that the fault run needs, in plain sockets."""
import socket
import struct

CREATE, SET_DATA, GET_DATA, GET_CHILDREN, CLOSE_SESSION = 1, 5, 4, 8, -11
OPEN_ACL = struct.pack(">ii", 1, 31) + struct.pack(">i", 5) + b"world" + struct.pack(">i", 6) + b"anyone"


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">i", len(raw)) + raw


class Gone(Exception):
    """The server closed or never answered: whether the last request took effect is unknown."""


class Client:
    def __init__(self, port, timeout=10.0, read_only=False, session=0, password=bytes(16)):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout)
            self.send(struct.pack(">iqiqi", 0, 0, 30000, session, 16) + password + bytes([read_only]))
            reply = self.frame()
        except OSError as error:
            raise Gone(str(error)) from error
        if struct.unpack(">i", reply[4:8])[0] <= 0:
            raise Gone("session refused")
        self.session, self.password, self.read_only = struct.unpack(">q", reply[8:16])[0], reply[20:36], reply[36] == 1
        self.xid = 0

    def send(self, body):
        self.socket.sendall(struct.pack(">i", len(body)) + body)

    def frame(self):
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise Gone("closed")
            data += part
        return data

    def call(self, op, body):
        """Sends one request and gives (error code, body of the reply)."""
        self.xid += 1
        try:
            self.send(struct.pack(">ii", self.xid, op) + body)
            reply = self.frame()
        except OSError as error:
            raise Gone(str(error)) from error
        xid, _, error = struct.unpack(">iqi", reply[:16])
        assert xid == self.xid, f"reply to {xid}, asked {self.xid}"
        return error, reply[16:]

    def create(self, path, data):
        return self.call(CREATE, text(path) + text(data) + OPEN_ACL + struct.pack(">i", 0))[0]

    def set(self, path, data):
        return self.call(SET_DATA, text(path) + text(data) + struct.pack(">i", -1))[0]

    def get(self, path):
        error, body = self.call(GET_DATA, text(path) + b"\0")
        if error:
            return None
        length = struct.unpack(">i", body[:4])[0]
        return body[4:4 + length]

    def children(self, path):
        error, body = self.call(GET_CHILDREN, text(path) + b"\0")
        names, at = [], 4
        for _ in range(struct.unpack(">i", body[:4])[0] if not error else 0):
            length = struct.unpack(">i", body[at:at + 4])[0]
            names.append(body[at + 4:at + 4 + length].decode())
            at += 4 + length
        return names
