"""A network between browser and gateway that can be cut."""

import socket
import threading


class Proxy:
    """Passes TCP connections on to a port of this machine."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.up = True
        self.lock = threading.Lock()
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Takes connections until the end."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if not self.up:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self.to))
                except OSError:
                    client.close()
                    continue
                self.pairs.append((client, server))
            for source, sink in [(client, server), (server, client)]:
                threading.Thread(target=copy, args=(source, sink), daemon=True).start()

    def cut(self) -> None:
        """Breaks all connections, and refuses new ones."""
        with self.lock:
            self.up = False
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                # Whoever waits for it is woken, and sees no closing of the protocol.
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def mend(self) -> None:
        """Takes connections again."""
        self.up = True

    def stop(self) -> None:
        """Ends it."""
        self.cut()
        self.listener.close()


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Passes on what comes, until either end is gone."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
