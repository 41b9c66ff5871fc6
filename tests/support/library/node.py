# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may open a device node: its owner, its mode and its access list (acl(5))."""
import os
import stat
import struct

_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 1, 2, 4, 8, 16, 32


def entries(path):
    """The access list as [(tag, permissions, user or group)]; [] where the mode says all."""
    try:
        data = os.getxattr(path, "system.posix_acl_access")
    except OSError:
        return []
    return list(struct.iter_unpack("<HHI", data[4:]))


def users(path):
    """Who may read and write it, and nobody else may do either: the owner and whom the access list names."""
    status = os.stat(path)
    assert stat.S_ISCHR(status.st_mode)
    named = entries(path)
    if not named:
        assert stat.S_IMODE(status.st_mode) == 0o600
        return {status.st_uid}
    assert all(permissions == 0 for tag, permissions, _ in named if tag in (_GROUP_OBJ, _GROUP, _OTHER))
    assert all(permissions == 6 for tag, permissions, _ in named if tag in (_USER_OBJ, _USER, _MASK))
    return {status.st_uid} | {user for tag, _, user in named if tag == _USER}
