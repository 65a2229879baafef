"""Drop the privileges that opening an interface needs, before the first packet is parsed."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from classifier.errors import UserError

# linux/capability.h, linux/prctl.h
_CAPABILITIES_VERSION_3 = 0x20080522
_NET_ADMIN, _NET_RAW = 12, 13
_KEEP_CAPABILITIES, _AMBIENT, _AMBIENT_RAISE = 8, 47, 2


class _User(NamedTuple):
    """A user's entry in passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str


def is_root() -> bool:
    """Return whether this process runs as root; never on Windows."""
    return sys.platform != "win32" and os.geteuid() == 0


def default_user() -> str | None:
    """Return the user to drop to: the user of sudo, else `nobody`; None if not root."""
    if sys.platform == "win32" or not is_root():
        return None
    import pwd  # not on Windows

    sudo_uid = os.environ.get("SUDO_UID", "")
    if sudo_uid.isdecimal() and int(sudo_uid) != 0:
        try:
            return pwd.getpwuid(int(sudo_uid)).pw_name
        except KeyError:
            pass
    return "nobody"


def drop_to(name: str) -> None:
    """Switch to another user for good. Later imports must be readable by that user."""
    user = _user(name)
    if sys.platform != "win32" and not is_root():
        if user.uid == os.geteuid():
            return
        raise UserError(f"--user {name}: only root can switch users; run it with sudo")
    _become(user)
    os.environ["HOME"] = user.home


def only_capture_as(name: str | None) -> Callable[[], None] | None:
    """Return the function that makes a root's child keep only the capability to capture, before it executes.

    The child runs as the user that this program drops to, which can then terminate it. None where there are
    no privileges to drop.
    """
    if sys.platform != "linux" or name is None or not is_root():
        return None
    user = _user(name)
    libc = ctypes.CDLL(None, use_errno=True)
    capture = 1 << _NET_ADMIN | 1 << _NET_RAW
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    # Effective, permitted and inheritable: the lower 32 bits, then the higher ones.
    sets = (ctypes.c_uint32 * 6)(capture, capture, capture, 0, 0, 0)

    def give_up() -> None:
        libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
        _become(user)
        libc.capset(header, sets)
        for capability in (_NET_ADMIN, _NET_RAW):
            libc.prctl(_AMBIENT, _AMBIENT_RAISE, capability, 0, 0)

    return give_up


def _user(name: str) -> _User:
    if sys.platform == "win32":
        raise UserError(f"--user {name}: not supported on Windows; start the program as that user")
    import pwd  # not on Windows

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"--user {name}: no such user; name an existing one") from None
    return _User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def _become(user: _User) -> None:
    if sys.platform != "win32":
        os.initgroups(user.name, user.gid)
        os.setgid(user.gid)
        os.setuid(user.uid)
