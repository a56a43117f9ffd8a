"""A middlebox in front of a server, on one port number for TCP and UDP: counts, drops, and moves a client to another address."""
import selectors
import socket
import struct
import threading
import time


class Relay:
    """Forwards to 127.0.0.1:`upstream`. The counters say what a client really sent, without any privilege."""

    def __init__(self, upstream, forward_udp=True, udp_bytes_per_second=None):
        self.upstream = ("127.0.0.1", upstream)
        self.forward_udp = forward_udp
        self._udp_rate, self._udp_credit, self._udp_credit_at = udp_bytes_per_second, 0, time.monotonic()  # towards the server
        self.udp_from_client = 0
        self.udp_dropped = 0
        self.tcp_first_bytes = []  # of each connection
        self._lock = threading.Lock()
        self._stop_r, self._stop_w = socket.socketpair()
        self._tcp, self._udp = self._bind_both()
        self.port = self._tcp.getsockname()[1]
        self._sel = selectors.DefaultSelector()
        self._towards_server = {}  # client address -> socket
        self._tcp_pairs, self._forgotten = [], []  # (client, server); server sides whose clients are gone
        self._sel.register(self._stop_r, selectors.EVENT_READ, self._on_stop)
        self._sel.register(self._tcp, selectors.EVENT_READ, self._on_accept)
        self._sel.register(self._udp, selectors.EVENT_READ, self._on_client_datagram)
        self._running = True
        self._rebind_wanted = threading.Event()
        self._rebound = threading.Event()
        self.rebinds = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _bind_both():
        for _ in range(50):
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(("127.0.0.1", 0))
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                tcp.close()
                udp.close()
                continue
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            tcp.listen(64)
            return tcp, udp
        raise AssertionError("no port number is free for TCP and UDP")

    # --- for the test's thread ---
    def rebind(self):
        """From now on the server sees every client under a new port: what a NAT does that has forgotten. TCP connections are refused towards
        the client, and the server hears nothing of that."""
        self._rebound.clear()
        self._rebind_wanted.set()
        self._stop_w.send(b"r")
        assert self._rebound.wait(5), "the relay is stuck"

    def close(self):
        if self._running:
            self._running = False
            self._stop_w.send(b"q")
            self._thread.join(5)
            for key in list(self._sel.get_map().values()):
                key.fileobj.close()
            self._sel.close()
            for server in self._forgotten:
                server.close()
            self._stop_w.close()

    # --- the relay's thread ---
    def _run(self):
        while self._running:
            for key, _ in self._sel.select():
                try:
                    key.data(key.fileobj)
                except OSError:
                    self._drop(key.fileobj)

    def _drop(self, sock):
        try:
            self._sel.unregister(sock)
        except (KeyError, ValueError):  # gone already: a datagram was waiting while a rebinding closed its socket
            pass
        sock.close()

    def _on_stop(self, sock):
        sock.recv(16)
        if self._rebind_wanted.is_set():
            self._rebind_wanted.clear()
            for client, old in list(self._towards_server.items()):
                self._drop(old)
                self._towards_server[client] = self._new_udp(client)
            for client, server in self._tcp_pairs:
                self._forget(client, server)
            self._tcp_pairs.clear()
            self.rebinds += 1
            self._rebound.set()

    def _forget(self, client, server):
        if client.fileno() < 0:
            return  # it ended before
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() is a reset
        self._drop(client)
        if server.fileno() >= 0:
            self._sel.unregister(server)
            self._forgotten.append(server)

    def _new_udp(self, client):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.connect(self.upstream)
        self._sel.register(sock, selectors.EVENT_READ, lambda s: self._udp.sendto(s.recv(65536), client))
        return sock

    def _has_credit(self, size):
        if self._udp_rate is None:
            return True
        now = time.monotonic()
        self._udp_credit = min(self._udp_rate / 10, self._udp_credit + (now - self._udp_credit_at) * self._udp_rate)
        self._udp_credit_at = now
        if size > self._udp_credit:
            return False
        self._udp_credit -= size
        return True

    def _on_client_datagram(self, sock):
        data, client = sock.recvfrom(65536)
        self.udp_from_client += 1
        if not self.forward_udp or not self._has_credit(len(data)):
            self.udp_dropped += 1
            return
        if client not in self._towards_server:
            self._towards_server[client] = self._new_udp(client)
        try:
            self._towards_server[client].send(data)
        except OSError:
            pass  # nobody there: as a network would

    def _on_accept(self, listener):
        client, _ = listener.accept()
        server = socket.create_connection(self.upstream, timeout=5)
        server.settimeout(None)
        index = len(self.tcp_first_bytes)
        self.tcp_first_bytes.append(b"")

        def pump(source, sink, note):
            def on_readable(_):
                data = source.recv(65536)
                if note and len(self.tcp_first_bytes[index]) < 16:
                    self.tcp_first_bytes[index] += data[:16]
                if not data:
                    self._drop(source)
                    try:
                        sink.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                else:
                    sink.sendall(data)
            return on_readable

        self._tcp_pairs.append((client, server))
        self._sel.register(client, selectors.EVENT_READ, pump(client, server, True))
        self._sel.register(server, selectors.EVENT_READ, pump(server, client, False))
