"""Sends the packets of a capture through an interface at a steady rate, as fast as one core can.

    python benchmarks/live/send.py INTERFACE CAPTURE --rate 300000 --seconds 10

The packets are sent from the file as it lies in memory, many a system call (sendmmsg), over and over. Prints
how many it has sent, and in how many seconds. Linux; needs the right to open packet sockets. The capture is
classic pcap with Ethernet, as `make_capture.py` writes it.
"""

import argparse
import ctypes
import errno
import json
import mmap
import os
import socket
import struct
import time

import numpy as np
import numpy.typing as npt

#: struct mmsghdr of 64-bit Linux, and the struct iovec that it points to.
MESSAGE = np.dtype(
    [
        ("name", "u8"),
        ("name_bytes", "u8"),
        ("vector", "u8"),
        ("vectors", "u8"),
        ("control", "u8"),
        ("control_bytes", "u8"),
        ("flags", "u8"),
        ("sent", "u8"),
    ]
)
VECTOR = np.dtype([("base", "u8"), ("bytes", "u8")])
FILE_HEADER, RECORD_HEADER = 24, 16
#: Packets a system call, and how often a second it is made at the most while the rate is lower than that.
BATCH, TICKS = 128, 5_000
sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
#: linux/if_packet.h: past the queue of the interface, straight to its driver.
SOL_PACKET, QDISC_BYPASS = 263, 20


def records(data: mmap.mmap, most: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Where each of the first packets begins in the file, and its length."""
    if data[:4] != struct.pack("<I", 0xA1B2C3D4):
        raise SystemExit("only little-endian pcap with microseconds")
    begins: list[int] = []
    lengths: list[int] = []
    place = FILE_HEADER
    while place + RECORD_HEADER <= len(data) and len(begins) < most:
        (length,) = struct.unpack_from("<I", data, place + 8)
        begins.append(place + RECORD_HEADER)
        lengths.append(length)
        place += RECORD_HEADER + length
    return np.array(begins, np.uint64), np.array(lengths, np.uint64)


def messages(address: int, data: mmap.mmap, most: int) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
    """The packets as the system call wants them; the second array is what the first points to."""
    begins, lengths = records(data, most)
    vectors = np.zeros(len(begins), VECTOR)
    vectors["base"], vectors["bytes"] = begins + np.uint64(address), lengths
    found = np.zeros(len(begins), MESSAGE)
    found["vector"] = vectors.ctypes.data + np.arange(len(begins), dtype=np.uint64) * VECTOR.itemsize
    found["vectors"] = 1
    return found, vectors


def send_some(one: socket.socket, found: npt.NDArray[np.void]) -> int:
    """Send packets by one system call; returns how many went, perhaps fewer or none."""
    done: int = sendmmsg(one.fileno(), found.ctypes.data, len(found), 0)
    if done >= 0:
        return done
    if ctypes.get_errno() in (errno.EAGAIN, errno.ENOBUFS):
        return 0
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def send(one: socket.socket, found: npt.NDArray[np.void], rate: float, seconds: float) -> tuple[int, float]:
    """Send in a circle; returns how many packets, and in what time. A rate of 0 is without pauses."""
    sent = place = 0
    began = time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        due = int(now * rate) - sent if rate else BATCH
        if due <= 0:
            time.sleep(1 / TICKS)
            continue
        done = send_some(one, found[place : place + min(due, BATCH)])
        sent += done
        place = (place + done) % len(found)
    return sent, time.perf_counter() - began


def main() -> None:
    """Parse the arguments, send, and print what was sent."""
    parser = argparse.ArgumentParser(description="Send the packets of a capture at a steady rate.")
    parser.add_argument("interface")
    parser.add_argument("capture")
    parser.add_argument(
        "--rate", type=float, default=0, help="packets a second; 0, the default: all that goes"
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--most", type=int, default=1_000_000, help="only so many packets, over and over")
    arguments = parser.parse_args()
    with (
        open(arguments.capture, "r+b") as file,  # ctypes wants a buffer that could be written to
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as one,
    ):
        one.bind((arguments.interface, 0))
        one.setsockopt(SOL_PACKET, QDISC_BYPASS, 1)
        buffer = ctypes.c_char.from_buffer(data)
        try:
            found, vectors = messages(ctypes.addressof(buffer), data, arguments.most)
            sent, seconds = send(one, found, arguments.rate, arguments.seconds)
            del vectors
        finally:
            del buffer
    print(json.dumps({"packets": sent, "seconds": seconds}))


if __name__ == "__main__":
    main()
