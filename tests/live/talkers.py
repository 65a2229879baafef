"""Small servers and clients, run inside the namespaces."""

from __future__ import annotations

import http.server
import socket
import socketserver
import ssl
import struct
import sys
import urllib.request
from contextlib import suppress

SERVER = "10.99.0.1"


class Greeter(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-test\r\n")
        self.request.recv(1000)


class Greeters(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 20_000)


def ask_dns(name: str) -> None:
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(1)
        one.connect((SERVER, 53))  # so that it hears at once if nobody listens
        with suppress(OSError):
            one.send(query)
            one.recv(1000)


def speak(port: int, *said: bytes) -> None:
    with suppress(OSError), socket.create_connection((SERVER, port), timeout=2) as one:
        for words in said:
            one.sendall(words)
            one.recv(1000)


def talk() -> None:
    for _ in range(3):
        urllib.request.urlopen(f"http://{SERVER}/", timeout=5).read()
        ask_dns("example.test")
    speak(22, b"SSH-2.0-client\r\n")
    speak(6379, b"PING\r\n", b"PING\r\n")
    speak(9, b"nobody listens here")
    with suppress(OSError), socket.create_connection((SERVER, 443), timeout=2) as one:
        context = ssl._create_unverified_context()
        with context.wrap_socket(one, server_hostname="example.test") as wrapped:
            wrapped.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while wrapped.recv(10_000):
                pass


if __name__ == "__main__":
    if sys.argv[1] == "greet":
        Greeters((SERVER, 22), Greeter).serve_forever()
    elif sys.argv[1] == "http":
        http.server.ThreadingHTTPServer((SERVER, 80), Pages).serve_forever()
    else:
        talk()
