# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmlinux.py BZIMAGE OUT: take the ELF kernel out of a bzImage.

QEMU starts an ELF kernel by its PVH entry at once; the bzImage would first unpack itself, which takes
three seconds in an emulated processor. Offsets: Linux Documentation/arch/x86/boot.rst, fields
setup_sects, payload_offset, payload_length. A compression that Python does not know gives the bzImage back.
"""
import gzip
import lzma
import struct
import sys


def kernel_of(image):
    if image[0x202:0x206] != b"HdrS":
        return image
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    if payload.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return gzip.decompress(payload[:-4])
    return image


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as stream:
        kernel = kernel_of(stream.read())
    with open(sys.argv[2], "wb") as stream:
        stream.write(kernel)
