# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/kubernetes: what its pods do is done here, without a cluster; and the DaemonSet has the rights of the unit."""
import ipaddress
import json
import re

import pytest
import yaml

from cni import Libcni, Runtime, needs_plugins, plugins_of
from programs import INSIDE_BUILD, SOURCE, program

FOLDER = SOURCE / "docs/kubernetes"
UNIT = SOURCE / "src/daemon/units/macvtapd.service.in"
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_MKNOD": 27, "CAP_PERFMON": 38, "CAP_BPF": 39}


def documents(name):
    return list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def one(name, kind):
    (found,) = [document for document in documents(name) if document["kind"] == kind]
    return found


POD = one("macvtapd", "DaemonSet")["spec"]["template"]["spec"]
(DAEMON,), (INSTALL,) = POD["containers"], POD["initContainers"]
NETWORKS = {document["metadata"]["name"]: json.loads(document["spec"]["config"]) for document in documents("networks")}
VM = one("vm", "Pod")


def unit(key):
    """What the unit says for a key, all lines of it."""
    return re.findall(rf"^{key}=(.*)", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def host_paths(container):
    """{path in the node: path in the container} of what the container has of the node."""
    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in POD["volumes"] if "hostPath" in volume}
    return {volumes[mount["name"]]: mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] in volumes}


@pytest.fixture
def daemon(daemons, host, station):
    """With the ConfigMap's networks."""
    daemon = daemons(host).open_to_containers()
    for name, text in one("macvtapd", "ConfigMap")["data"].items():
        daemon.network(name.removesuffix(".network"), text=text)
    yield daemon
    if daemon.running:
        daemon.ctl("port", "delete", "--all", check=False)


def start_as_daemon_set(daemon):
    """By the words of the container's command, in a mount namespace of its own as a container has."""
    *words, name = DAEMON["command"]
    assert DAEMON["args"] == [name]
    return daemon.start(["unshare", "--mount", *words, name])


def status_of(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as stream:
        return dict(line.rstrip("\n").split(":\t") for line in stream if ":\t" in line)


def is_read_only(process, path):
    """Whether the topmost mount at exactly this path is."""
    with open(f"/proc/{process.pid}/mountinfo", encoding="ascii") as stream:
        options = [fields[5].split(",") for fields in map(str.split, stream) if fields[4] == path]
    return "ro" in options[-1]


def test_daemon_set_has_the_rights_of_the_unit(daemon):
    daemon.host.run("mount", "-t", "tmpfs", "none", "/sys/fs/cgroup")
    start_as_daemon_set(daemon)
    status = status_of(daemon.process)
    (bounding,) = unit("CapabilityBoundingSet")
    assert int(status["CapBnd"], 16) == sum(1 << CAPABILITIES[name] for name in bounding.split())
    told = daemon.host.run(program("macvtapd"), "--privileges").stdout
    assert set(re.findall(r"CAP_\w+", told)) == set(bounding.split())
    assert unit("NoNewPrivileges") == ["yes"] and "--no-new-privs" in DAEMON["command"][2] and status["NoNewPrivs"] == "1"
    # ProtectKernelTunables= and ProtectControlGroups=, and what the unit excepts from them.
    assert unit("ProtectKernelTunables") == unit("ProtectControlGroups") == ["yes"] and unit("ReadWritePaths") == ["-/proc/sys/net/ipv6/conf", "-/sys/fs/bpf/macvtapd"]
    assert {path: is_read_only(daemon.process, path) for path in ("/proc/sys", "/proc/sys/net/ipv6/conf", "/sys", "/sys/fs/cgroup")} == \
        {"/proc/sys": True, "/proc/sys/net/ipv6/conf": False, "/sys": True, "/sys/fs/cgroup": True}
    # It can do with them what it must: a guarded port, without IPv6 of the host's.
    (network,) = daemon.ctl_json("network", "list")["networks"]
    assert "unguarded" not in network
    daemon.ctl("port", "create", "--network", "lan", "--holder", "none")
    (port,) = daemon.ports()
    path = f"/proc/sys/net/ipv6/conf/{port['interfaceName']}/disable_ipv6"
    assert daemon.host.run("cat", path).stdout == "1\n"


def test_daemon_set_has_the_paths_of_the_unit():
    assert unit("ProtectSystem") == ["strict"] and DAEMON["securityContext"]["readOnlyRootFilesystem"]
    (state,) = unit("RuntimeDirectory")
    containers = re.search("^ListenStream=(.*)/socket$", (UNIT.parent / "macvtapd-containers.socket").read_text(encoding="ascii"), re.M)[1]
    # PrivateMounts=yes with the host's own /dev.
    wanted = {f"/run/{state}", containers, "/dev", "/sys/fs/bpf/macvtapd"}
    assert host_paths(DAEMON) == {path: path for path in wanted}
    assert POD["hostNetwork"] and unit("PrivateNetwork") == [] and POD["hostPID"] and not POD["automountServiceAccountToken"]
    # Device rules are what Kubernetes has no field for: docs/kubernetes.md says what that comes to.
    assert DAEMON["securityContext"]["privileged"] is True and unit("DevicePolicy") == ["closed"]
    assert host_paths(INSTALL) == {"/opt/cni": "/opt/cni"} and INSTALL["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_installed_plugin_needs_nothing_of_the_node(daemon, box):
    """It runs where no library can be found but those that came with it."""
    script = INSTALL["command"][2].replace("/usr/libexec/cni", f"{INSIDE_BUILD}/src/cni")
    assert INSTALL["command"][:2] == ["sh", "-ec"]
    node = daemon.host
    node.run("sh", "-ec", "mount -t tmpfs none /opt && mkdir -p /run/etc /run/networks && mount --bind /run/etc /mnt")
    node.run("sh", "-ec", "for name in lan other; do printf '[Network]\\n' >/run/$name; ln -s /run/$name /run/networks/$name.network; done")
    script = script.replace("/networks/*", "/run/networks/*").replace("/etc/macvtapd/networks.d", "/mnt")
    for _ in range(2):  # and again, as an upgrade does
        node.run("sh", "-ec", script)
    assert node.run("find", "/mnt", "-type", "f").stdout.split() in (["/mnt/lan.network", "/mnt/other.network"], ["/mnt/other.network", "/mnt/lan.network"])
    # A sanitizer cannot look for leaks in a process that is traced.
    traced = node.run("env", "-i", "CNI_COMMAND=VERSION", "ASAN_OPTIONS=detect_leaks=0", "strace", "-f", "-e", "trace=openat", "/opt/cni/bin/macvtapd-cni",
                      input="{}", stdin=None)
    assert "1.1.0" in json.loads(traced.stdout)["supportedVersions"]
    libraries = set(re.findall(r'openat\(AT_FDCWD, "(/[^"]*\.so[.\d]*)"', traced.stderr[traced.stderr.index("/opt/cni"):]))
    assert len(libraries) > 3 and all(path.startswith("/opt/cni/macvtapd/") for path in libraries), libraries


def fixed_addresses(plugin):
    """One in each range of the plugin's own, which must have a pod's; none: it has no ranges."""
    return [f"{ipaddress.ip_address(one['rangeStart']) + 1}/{one['subnet'].split('/')[1]}"
            for (one,) in plugin.get("ipam", {}).get("ranges", [])]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_give_a_pod_its_addresses(daemon, box, tmp_path, name):
    needs_plugins()
    assert plugins_of(NETWORKS[name]) == ["macvtapd-cni"] and NETWORKS[name]["name"] == name
    daemon.start()
    tmp_path.chmod(0o755)
    (plugin,) = NETWORKS[name]["plugins"]
    if "ipam" in plugin:
        plugin = {**plugin, "ipam": {**plugin["ipam"], "dataDir": str(tmp_path / "addresses")}}
    (wish,) = json.loads(VM["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"])
    wish = {**wish, "ips": fixed_addresses(plugin) or wish["ips"]}
    runtime = Libcni(Runtime(daemon, box, tmp_path), plugin, NETWORKS[name]["cniVersion"])
    result = runtime.call("add", interface=wish["interface"], capabilities={"ips": wish["ips"], "mac": wish["mac"]})
    assert [ip["address"] for ip in result["ips"]] == wish["ips"] and result["interfaces"][0]["mac"] == wish["mac"]
    # A second pod takes what is next, where there is a range.
    if name != "lan-static":
        other = runtime.call("add", interface="net2")
        assert other["ips"][0]["address"].startswith("10.0.0.") and other["ips"][0]["address"] != wish["ips"][0]
    run_vm(daemon, box, wish)
    assert runtime.call("del", interface=wish["interface"]) is None


def run_vm(daemon, box, wish):
    """As the pod does, but with a VMM that only says what it got."""
    (container,) = VM["spec"]["containers"]
    context = container["securityContext"]
    words = [str(daemon.container_socket) if word.startswith("/run/") else word for word in container["command"]]
    assert words.pop(0) == "macvtap-run" and wish["interface"] in words
    done = daemon.host.run("nsenter", f"--net=/proc/{box.pid}/ns/net", "--", "setpriv", f"--reuid={context['runAsUser']}",
                           f"--regid={context['runAsGroup']}", "--clear-groups", "--bounding-set=-all", "--no-new-privs",
                           program("macvtap-run"), *words, "echo", "{mac}", "{fds}")
    assert done.stdout.split()[0] == wish["mac"]
    (volume,) = [volume["hostPath"]["path"] for volume in VM["spec"]["volumes"] if "hostPath" in volume]
    assert {mount["mountPath"]: mount.get("readOnly") for mount in container["volumeMounts"]}[volume] is True
    assert context["capabilities"] == {"drop": ["ALL"]} and context["allowPrivilegeEscalation"] is False
