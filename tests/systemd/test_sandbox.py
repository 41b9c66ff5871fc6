# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the service's unit promises is in force on a real host: each of its lines has an effect that is looked at here.

Theory of operation: the running daemon is looked at from outside. What can only be seen by trying is tried by a program of the
test's that systemd starts by the same unit, line for line, but for what makes it a service.
"""
import base64
import re

import pytest

UNIT = "/usr/lib/systemd/system/macvtapd.service"
PROBE = "/opt/macvtapd-probe"
# Those of the unit's lines that confine nothing; the other tests of the tier are about them.
NO_CONFINEMENT = {"Type", "ExecStartPre", "ExecStart", "ExecReload", "Restart", "Sockets", "RuntimeDirectory", "RuntimeDirectoryMode",
                  "RuntimeDirectoryPreserve"}

_PROBE = r'''
import ctypes, errno, json, mmap, os, resource, socket, time
libc = ctypes.CDLL(None, use_errno=True)
found = {}

def try_(name, function):
    try:
        function()
        found[name] = "ok"
    except OSError as error:
        found[name] = errno.errorcode[error.errno]

def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(word) for word in arguments)) < 0:
        raise OSError(ctypes.get_errno(), "")

def unsafe():
    path = "/dev/macvtapd-probe"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)

def node(kind, device):
    os.mknod("/dev/macvtapd-probe", kind | 0o600, device)
    os.unlink("/dev/macvtapd-probe")

tap = next(int(line.split()[0]) for line in open("/proc/devices") if line.split()[1:] == ["macvtap"])
for path in "/usr", "/etc", "/var", "/boot":
    try_(f"write {path}", lambda: os.open(f"{path}/macvtapd-probe", os.O_CREAT | os.O_WRONLY))
for path in "/proc/sys/kernel/panic", "/proc/sys/net/ipv6/conf/lo/mtu", "/sys/kernel/mm/ksm/run", \
        "/sys/fs/cgroup/cgroup.procs", "/dev/kmsg", "/dev/rtc0":
    try_(f"write {path}", lambda: os.open(path, os.O_WRONLY))
def folder(path):
    os.mkdir(path)
    os.rmdir(path)

for path in "/sys/fs/bpf", "/sys/fs/bpf/macvtapd":
    try_(f"folder in {path}", lambda: folder(f"{path}/macvtapd-probe"))
for path in "/dev/vda", "/proc/kmsg", "/dev/null":
    try_(f"read {path}", lambda: os.open(path, os.O_RDONLY | os.O_NONBLOCK))
try_("use vhost-net", lambda: os.open("/dev/vhost-net", os.O_RDWR))
for path in "/home", "/root", "/usr/lib/modules":
    try_(f"list {path}", lambda: os.listdir(path))
try_("make a node of macvtap", lambda: node(0o020000, os.makedev(tap, 1)))
try_("make a node of a disk", lambda: node(0o060000, os.makedev(254, 0)))
for family in "UNIX", "NETLINK", "PACKET", "INET", "INET6", "VSOCK", "ALG":
    try_(f"socket {family}", lambda: socket.socket(getattr(socket, "AF_" + family), socket.SOCK_SEQPACKET
         if family == "ALG" else socket.SOCK_DGRAM if family == "VSOCK" or family.startswith("I") else socket.SOCK_RAW
         if family != "UNIX" else socket.SOCK_STREAM).close())
try_("unshare user", lambda: call(272, 0x10000000))
try_("set-user-id file", unsafe)
try_("personality", lambda: call(135, 0x0040000))
try_("writable and executable", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
try_("real-time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
try_("set the clock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
try_("set the host's name", lambda: socket.sethostname("probe"))
for name, number, arguments in ("io_setup", 206, (0, 0)), ("shmget", 29, (0, 4096, 0o1600)), ("mlock", 149, (0, 0)), \
        ("add_key", 248, (0, 0, 0, 0, -3)), ("setresuid", 117, (0, 0, 0)), ("ioprio_set", 251, (1, 0, 0)), \
        ("mount", 165, (0, 0, 0, 0, 0)), ("bpf", 321, (0, 0, 0)), ("ptrace", 101, (0, 0, 0, 0)):
    try_(f"call {name}", lambda: call(number, *arguments))
found["a 32-bit program"] = os.waitstatus_to_exitcode(
    os.waitpid(os.posix_spawn("/opt/macvtapd-probe-32", ["probe"], {}), 0)[1])
found["tmp"] = os.listdir("/tmp")
found["umask"] = os.umask(0)
found["descriptors"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
found["uts"] = os.readlink("/proc/self/ns/uts")
found["mnt"] = os.readlink("/proc/self/ns/mnt")
print(json.dumps(found))
'''

# exit(0) by the calls of a 32-bit processor: mov $1,%eax; xor %ebx,%ebx; int $0x80.
_ELF32 = (bytes.fromhex("7f454c46010101000000000000000000" "0200030001000000" "54800408" "34000000" "00000000" "00000000"
                        "3400" "2000" "0100" "0000" "0000" "0000")
          + bytes.fromhex("01000000" "00000000" "00800408" "00800408" "60000000" "60000000" "05000000" "00100000")
          + bytes.fromhex("b801000000" "31db" "cd80").ljust(12, b"\0"))

EXPECTED = {
    "CapabilityBoundingSet": {"make a node of macvtap": "ok"},  # and see test_process
    "NoNewPrivileges": {},                                      # see test_process
    "DevicePolicy": {"read /dev/vda": "EPERM", "read /dev/null": "ok", "make a node of a disk": "EPERM",
                     "write /dev/rtc0": "EPERM"},
    "DeviceAllow": {"use vhost-net": "ok", "make a node of macvtap": "ok"},
    "PrivateMounts": {},  # see test_what_it_has_of_its_own
    "ProtectSystem": {"write /usr": "EROFS", "write /etc": "EROFS", "write /var": "EROFS", "write /boot": "EROFS"},
    "ProtectKernelTunables": {"write /proc/sys/kernel/panic": "EROFS", "write /sys/kernel/mm/ksm/run": "EROFS"},
    "ReadWritePaths": {"write /proc/sys/net/ipv6/conf/lo/mtu": "ok", "folder in /sys/fs/bpf": "EROFS",
                       "folder in /sys/fs/bpf/macvtapd": "ok"},
    "ProtectProc": {},  # see test_process
    "ProtectHome": {"list /home": "EACCES", "list /root": "EACCES"},
    "PrivateTmp": {"tmp": []},
    "ProtectClock": {"set the clock": "EPERM"},
    "ProtectHostname": {"set the host's name": "EPERM"},
    "ProtectKernelLogs": {"write /dev/kmsg": "EACCES", "read /proc/kmsg": "EACCES"},
    "ProtectKernelModules": {"list /usr/lib/modules": "EACCES"},
    "ProtectControlGroups": {"write /sys/fs/cgroup/cgroup.procs": "EROFS"},
    "RestrictAddressFamilies": {**{f"socket {family}": "ok" for family in ("UNIX", "NETLINK", "PACKET")},
                                **{f"socket {family}": "EAFNOSUPPORT" for family in ("INET", "INET6", "VSOCK", "ALG")}},
    "RestrictNamespaces": {"unshare user": "EPERM"},
    "RestrictRealtime": {"real-time": "EPERM"},
    "RestrictSUIDSGID": {"set-user-id file": "EPERM"},
    "LockPersonality": {"personality": "EPERM"},
    "MemoryDenyWriteExecute": {"writable and executable": "EPERM"},
    "KeyringMode": {},  # see test_what_it_has_of_its_own
    "UMask": {"umask": 0o077},
    "LimitNOFILE": {"descriptors": 524288},
    "IPAddressDeny": {},  # see test_control_group
    "SystemCallArchitectures": {"a 32-bit program": -31},
    # bpf(2) is for loading the guard's programs; what the daemon keeps of it is in test_process and unit/test-sandbox.
    "SystemCallFilter": {**{f"call {name}": "EPERM" for name in ("io_setup", "shmget", "mlock", "add_key", "setresuid",
                                                                 "ioprio_set", "mount", "ptrace")},
                         "call bpf": "EINVAL"},
    "SystemCallErrorNumber": {"call mlock": "EPERM"},
}


@pytest.fixture(scope="module")
def unit(machine):
    return machine.run(f"cat {UNIT}")


@pytest.fixture(scope="module")
def probed(machine, unit):
    text = re.sub(r"^ExecStart=.*$", f"ExecStart=/usr/bin/python3 {PROBE}", unit, flags=re.MULTILINE)
    text = re.sub(r"^(Type=|Restart=|RuntimeDirectory|ExecReload=|Requires=|Before=|WantedBy=|Also=).*\n", "", text,
                  flags=re.MULTILINE)
    machine.write("/run/systemd/system/macvtapd-probe.service",
                  text.replace("[Service]\n", f"[Service]\nType=oneshot\nStandardOutput=file:{PROBE}.out\n"))
    machine.write(PROBE, _PROBE)
    machine.run(f"printf {base64.b64encode(_ELF32).decode()} | base64 -d >{PROBE}-32 && chmod 755 {PROBE}-32 &&"
                f" {PROBE}-32 && touch /tmp/of-others && systemctl daemon-reload && systemctl start macvtapd-probe.service")
    return machine.json(f"cat {PROBE}.out")


@pytest.fixture(scope="module")
def pid(machine):
    return machine.property("macvtapd.service", "MainPID")


def test_every_line_is_looked_at(unit):
    service = unit.partition("[Service]\n")[2].partition("\n[")[0]
    keys = set(re.findall(r"^(\w+)=", service, re.MULTILINE))
    assert keys - NO_CONFINEMENT == set(EXPECTED)


@pytest.mark.parametrize("key", [key for key, expected in EXPECTED.items() if expected])
def test_line_is_in_force(probed, key):
    assert {what: probed[what] for what in EXPECTED[key]} == EXPECTED[key]


def test_what_it_has_of_its_own(machine, probed, pid):
    host = machine.run("readlink /proc/1/ns/mnt /proc/1/ns/uts").split()
    assert probed["mnt"] not in host and probed["uts"] not in host
    own = machine.run(f"readlink /proc/{pid}/ns/mnt /proc/{pid}/ns/uts").split()
    assert not set(own) & set(host)
    assert machine.property("macvtapd.service", "KeyringMode") == "private"


def test_process(machine, unit, pid):
    """The running daemon: its capabilities, filters, limits and mounts."""
    status = dict(re.findall(r"^(\w+):\t(.*)$", machine.run(f"cat /proc/{pid}/status"), re.MULTILINE))
    # CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_MKNOD 27, CAP_PERFMON 38, CAP_BPF 39: linux/capability.h
    kept, loading = 1 << 12 | 1 << 13 | 1 << 27, 1 << 38 | 1 << 39
    assert int(status["CapBnd"], 16) == kept | loading
    # What loading the guard's programs took is given up in every set from which it could come back.
    for name in "CapEff", "CapPrm", "CapInh", "CapAmb":
        assert int(status[name], 16) & ~kept == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"], status["Umask"]) == ("1", "2", "0077")
    # systemd's and, on top, its own.
    assert int(status["Seccomp_filters"]) > int(machine.run("grep Seccomp_filters /proc/1/status").split()[1]) + 1
    assert re.search(r"^Max open files +524288 +524288 ", machine.run(f"cat /proc/{pid}/limits"), re.MULTILINE)
    mounts = {}
    for line in machine.run(f"cat /proc/{pid}/mountinfo").splitlines():
        fields = line.split()
        mounts[fields[4]] = set(fields[5].split(",")) | set(fields[-1].split(","))
    assert "hidepid=invisible" in mounts["/proc"]
    for path in "/", "/sys", "/proc/sys", "/sys/fs/cgroup", "/home", "/usr/lib/modules":
        assert "ro" in mounts[path], path
    for path in "/proc/sys/net/ipv6/conf", "/sys/fs/bpf/macvtapd", "/dev":
        assert "ro" not in mounts[path], path


def test_control_group(machine):
    """What the running daemon's control group lets a process do."""
    group = "/sys/fs/cgroup" + machine.property("macvtapd.service", "ControlGroup")

    def inside(command):
        return f"sh -c 'echo $$ >{group}/cgroup.procs; {command}'"

    machine.run(inside("head -c 0 /dev/null"))
    machine.run(inside("exec 3<>/dev/vhost-net"))
    assert "Operation not permitted" in machine.fails(inside("head -c 1 /dev/vda 2>&1"))
    assert "Operation not permitted" in machine.fails(inside("exec 3<>/dev/kvm") + " 2>&1")
    machine.run("ping -q -c 1 127.0.0.1")
    assert "100% packet loss" in machine.fails(inside("ping -q -c 1 -W 1 127.0.0.1"))


def test_socket(machine):
    assert machine.run("stat -c %a:%U:%F /run/macvtapd/socket /run/macvtapd").split("\n")[:2] == \
        ["666:root:socket", "755:root:directory"]
