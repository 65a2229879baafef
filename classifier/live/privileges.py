"""Gives up the rights that opening an interface took, before the first packet is parsed."""

from __future__ import annotations

import os
import pwd

from classifier.errors import ClassifierError, ExitStatus


class UserError(ClassifierError):
    """The user to run as isn't there."""

    status = ExitStatus.USAGE


def default_user() -> str | None:
    """Return the user to become: who called sudo, else `nobody`; None without root's rights."""
    if os.geteuid() != 0:
        return None
    caller = os.environ.get("SUDO_UID", "")
    if caller.isdecimal() and int(caller) != 0:
        try:
            return pwd.getpwuid(int(caller)).pw_name
        except KeyError:
            pass
    return "nobody"


def drop_to(name: str) -> None:
    """Become another user for good. What is imported later must be readable by that user."""
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"--user {name}: no such user") from None
    if os.geteuid() != 0:
        if user.pw_uid == os.geteuid():
            return
        raise UserError(f"--user {name}: only root can become another user")
    os.initgroups(name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = user.pw_dir
