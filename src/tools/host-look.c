/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-look.h"

#include "descriptor.h"
#include "error.h"
#include "mac-address.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <glib.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* Whether matches(), which gets with, is true of a line of the file. */
static gboolean
has_line(const char *path, gboolean (*matches)(const char *line, const char *with),
         const char *with)
{
    g_autofree char *content = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &content, NULL, NULL))
        return FALSE;
    lines = g_strsplit(content, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (matches(*line, with))
            return TRUE;
    }
    return FALSE;
}

static gboolean
ends_with(const char *line, const char *end)
{
    return g_str_has_suffix(line, end);
}

/* Shows that a module works, even if it is built in; and its kernel option. */
static const struct {
    const char *name, *option;
    const char *device; /* its name in /proc/devices, */
    const char *path;   /* or a file that it creates */
} modules[] = {
    {"macvtap", "CONFIG_MACVTAP", .device = " macvtap"},
    {"8021q", "CONFIG_VLAN_8021Q", .path = "proc/net/vlan"},
    {"vhost_net", "CONFIG_VHOST_NET", .path = "sys/class/misc/vhost-net"},
};

static gboolean
works(const char *root, gsize module)
{
    g_autofree char *devices = g_strdup_printf("%s/proc/devices", root);
    g_autofree char *path =
        modules[module].path ? g_strdup_printf("%s/%s", root, modules[module].path) : NULL;

    return path ? g_file_test(path, G_FILE_TEST_EXISTS)
                : has_line(devices, ends_with, modules[module].device);
}

/* Every Debian has gzip. NULL: the file is missing or is not gzip. */
static char *
unpack(const char *path)
{
    const char *const words[] = {"gzip", "-dc", path, NULL};
    const GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL;
    g_autofree char *text = NULL;
    int status;

    if (!g_spawn_sync(NULL, (char **)words, NULL, flags, NULL, NULL, &text, NULL, &status, NULL) ||
        status != 0)
        return NULL;
    return g_steal_pointer(&text);
}

/* The kernel's build configuration, or NULL; free with g_free(). */
static char *
read_config(const char *root, const char *release)
{
    g_autofree char *boot = g_strdup_printf("%s/boot/config-%s", root, release);
    g_autofree char *packed = g_strdup_printf("%s/proc/config.gz", root);
    char *text = NULL;

    return g_file_get_contents(boot, &text, NULL, NULL) ? text : unpack(packed);
}

/* If no module can be seen: a feature built as a module may still be loadable. */
static HostModule
look_config(const char *root, const char *release, const char *option)
{
    g_autofree char *text = read_config(root, release);
    g_autofree char *line = g_strdup_printf("\n%s=", option);
    const char *found = text ? strstr(text, line) : NULL;

    if (!text)
        return HOST_MODULE_UNKNOWN;
    if (!found)
        return HOST_MODULE_MISSING;
    return found[strlen(line)] == 'y' ? HOST_MODULE_WORKS : HOST_MODULE_UNKNOWN;
}

/* A line of modules.dep begins with "PATH/NAME.ko:" or with a compressed module. */
static gboolean
is_listed(const char *folder, const char *list, const char *name)
{
    g_autofree char *path = g_build_filename(folder, list, NULL);
    g_autofree char *text = g_strdup_printf("/%s.ko", name);
    g_autofree char *content = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &content, NULL, NULL))
        return FALSE;
    lines = g_strsplit(content, "\n", -1);
    for (char **line = lines; *line; line++) {
        (*line)[strcspn(*line, ": ")] = '\0';
        if (strstr(*line, text))
            return TRUE;
    }
    return FALSE;
}

HostModule
host_look_module(const char *root, const char *release, const char *name)
{
    g_autofree char *folder = g_strdup_printf("%s/lib/modules/%s", root, release);
    gsize module = 0;

    while (!g_str_equal(modules[module].name, name))
        module++;
    if (works(root, module) || is_listed(folder, "modules.builtin", name))
        return HOST_MODULE_WORKS;
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
        return look_config(root, release, modules[module].option);
    return is_listed(folder, "modules.dep", name) ? HOST_MODULE_LOADABLE : HOST_MODULE_MISSING;
}

static gboolean
is_in_namespace(const char *root, const char *pid, const char *own)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%s/ns/net", root, pid);
    g_autofree char *its = g_file_read_link(path, NULL);

    return !its || !own || g_str_equal(its, own);
}

GArray *
host_list_processes(const char *root)
{
    GArray *processes = g_array_new(FALSE, TRUE, sizeof(HostProcess));
    g_autofree char *path = g_strdup_printf("%s/proc", root);
    g_autofree char *own_path = g_strdup_printf("%s/proc/self/ns/net", root);
    g_autofree char *own = g_file_read_link(own_path, NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *entry;

    while (folder && (entry = g_dir_read_name(folder))) {
        g_autofree char *comm = g_build_filename(path, entry, "comm", NULL);
        g_autofree char *name = NULL;
        HostProcess process = {.pid = (pid_t)g_ascii_strtoll(entry, NULL, 10)};

        if (process.pid <= 0 || !g_file_get_contents(comm, &name, NULL, NULL))
            continue;
        g_strlcpy(process.name, g_strchomp(name), sizeof process.name);
        process.is_here = is_in_namespace(root, entry, own);
        g_array_append_val(processes, process);
    }
    return processes;
}

/* A line of packet_seq_show() (net/packet/af_packet.c). */
static gboolean
parse_socket(const char *line, int index, guint64 *ret_inode)
{
    unsigned protocol;
    int link;

    if (sscanf(line, "%*s %*d %*d %x %d %*d %*u %*u %" G_GUINT64_FORMAT, &protocol, &link,
               ret_inode) != 3)
        return FALSE;
    return link == index &&
           (protocol == ETH_P_ALL || protocol == ETH_P_IP || protocol == ETH_P_ARP);
}

GArray *
host_list_packet_sockets(const char *root, int index)
{
    GArray *inodes = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_autofree char *path = g_strdup_printf("%s/proc/net/packet", root);
    g_autofree char *content = NULL;
    g_auto(GStrv) lines = NULL;
    guint64 inode;

    if (!g_file_get_contents(path, &content, NULL, NULL))
        return inodes;
    lines = g_strsplit(content, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (parse_socket(*line, index, &inode))
            g_array_append_val(inodes, inode);
    }
    return inodes;
}

static gboolean
has_socket(const char *root, const HostProcess *process, const char *socket)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/fd", root, (int)process->pid);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *entry;

    while (folder && (entry = g_dir_read_name(folder))) {
        g_autofree char *link = g_build_filename(path, entry, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);

        if (g_strcmp0(target, socket) == 0)
            return TRUE;
    }
    return FALSE;
}

const HostProcess *
host_find_socket(const char *root, const GArray *processes, guint64 inode)
{
    g_autofree char *socket = g_strdup_printf("socket:[%" G_GUINT64_FORMAT "]", inode);

    for (guint i = 0; i < processes->len; i++) {
        const HostProcess *process = &g_array_index(processes, HostProcess, i);

        if (has_socket(root, process, socket))
            return process;
    }
    return NULL;
}

static gboolean
has_word(const char *text, gsize length, const char *word)
{
    for (const char *at = text; at < text + length; at += strlen(at) + 1) {
        if (g_str_equal(at, word))
            return TRUE;
    }
    return FALSE;
}

gboolean
host_has_argument(const char *root, const GArray *processes, const char *text)
{
    for (guint i = 0; i < processes->len; i++) {
        pid_t pid = g_array_index(processes, HostProcess, i).pid;
        g_autofree char *path = g_strdup_printf("%s/proc/%d/cmdline", root, (int)pid);
        g_autofree char *words = NULL;
        gsize length;

        if (g_file_get_contents(path, &words, &length, NULL) && has_word(words, length, text))
            return TRUE;
    }
    return FALSE;
}

static gboolean
parse_address(const struct ifaddrs *from, HostAddress *address)
{
    const struct sockaddr_in *v4 = (const void *)from->ifa_addr;
    const struct sockaddr_in6 *v6 = (const void *)from->ifa_addr;
    int family = from->ifa_addr ? from->ifa_addr->sa_family : AF_UNSPEC;

    if (family != AF_INET && family != AF_INET6)
        return FALSE;
    *address = (HostAddress){.is_link_local = family == AF_INET
                                                  ? ntohl(v4->sin_addr.s_addr) >> 16 == 0xa9fe
                                                  : IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)};
    g_strlcpy(address->interface, from->ifa_name, sizeof address->interface);
    inet_ntop(family, family == AF_INET ? (const void *)&v4->sin_addr : &v6->sin6_addr,
              address->text, sizeof address->text);
    return TRUE;
}

GArray *
host_list_addresses(void)
{
    GArray *addresses = g_array_new(FALSE, FALSE, sizeof(HostAddress));
    struct ifaddrs *all = NULL;
    HostAddress address;

    if (getifaddrs(&all) < 0)
        return addresses;
    for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
        if (parse_address(a, &address))
            g_array_append_val(addresses, address);
    }
    freeifaddrs(all);
    return addresses;
}

GArray *
host_list_macs(void)
{
    GArray *macs = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) < 0)
        return macs;
    for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
        const struct sockaddr_ll *link = (const void *)a->ifa_addr;

        if (link && link->sll_family == AF_PACKET && link->sll_halen == sizeof(MacAddress))
            g_array_append_vals(macs, link->sll_addr, 1);
    }
    freeifaddrs(all);
    return macs;
}

/* NetlinkReply */
static void
take_neighbour(guint number, struct nlmsghdr *message, gpointer user_data)
{
    const struct ndmsg *header = nlmsg_data(message);
    gboolean *answers = user_data;

    if (message->nlmsg_type == RTM_NEWNEIGH && nlmsg_valid_hdr(message, sizeof *header))
        *answers = (header->ndm_state & NUD_REACHABLE) != 0;
}

gboolean
host_neighbour_answers(const char *interface, const IpAddress *address)
{
    gboolean is_ipv4 = ip_address_is_ipv4(address), answers = FALSE;
    const struct ndmsg header = {.ndm_family = is_ipv4 ? AF_INET : AF_INET6,
                                 .ndm_ifindex = (int)if_nametoindex(interface)};
    g_autoptr(NetlinkMessage) request = nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_REQUEST);
    g_autoptr(Netlink) netlink = netlink_new(NULL);

    nlmsg_append(request, (void *)&header, sizeof header, NLMSG_ALIGNTO);
    nla_put(request, NDA_DST, is_ipv4 ? 4 : 16, address->bytes + (is_ipv4 ? 12 : 0));
    return header.ndm_ifindex > 0 && netlink &&
           netlink_ask(netlink, request, take_neighbour, &answers, "", NULL) && answers;
}

/* A line of fib_route_seq_show() (net/ipv4/fib_trie.c). */
static gboolean
is_default_v4(const char *line, const char *interface)
{
    unsigned destination, flags, mask;
    char name[16];

    return sscanf(line, "%15s %x %*x %x %*d %*u %*d %x", name, &destination, &flags, &mask) == 4 &&
           destination == 0 && mask == 0 && flags & RTF_UP && !(flags & RTF_REJECT) &&
           g_str_equal(name, interface);
}

/* A line of rt6_info_route() (net/ipv6/ip6_fib.c); the routes that reject packets are on lo. */
static gboolean
is_default_v6(const char *line, const char *interface)
{
    char destination[33], name[16];
    unsigned length, flags;

    return sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %x %15s", destination, &length, &flags,
                  name) == 4 &&
           length == 0 && strspn(destination, "0") == 32 && flags & RTF_UP &&
           g_str_equal(name, interface);
}

static gboolean
has_route(const char *root, const char *file, const char *interface,
          gboolean (*is_default)(const char *line, const char *interface))
{
    g_autofree char *path = g_strdup_printf("%s/proc/net/%s", root, file);

    return has_line(path, is_default, interface);
}

gboolean
host_has_default_route(const char *root, const char *interface)
{
    return has_route(root, "route", interface, is_default_v4) ||
           has_route(root, "ipv6_route", interface, is_default_v6);
}

/* The process at the other end; 0: not in our PID namespace, -1: unknown. */
static pid_t
peer_of(int socket_fd)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;

    return getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : -1;
}

/* The macvtapd of our network namespace listens there (src/daemon/namespace-lock.c). */
#define LOCK_NAME "org.macvtapd.lock"
#define PATIENCE_S 2

static pid_t
find_daemon(void)
{
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path + 1, LOCK_NAME, strlen(LOCK_NAME));
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
        RETRY_EINTR(connect(
            fd, (const struct sockaddr *)&address,
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(LOCK_NAME)))) < 0)
        return -1;
    return peer_of(fd);
}

/* A service manager may listen for it: then the daemon is in the same namespace. */
gboolean
host_has_daemon(int peer)
{
    pid_t here = find_daemon();
    g_autofree char *own = g_file_read_link("/proc/self/ns/net", NULL);
    g_autofree char *pid = g_strdup_printf("%d", peer);

    return here >= 0 && (peer == here || (peer > 0 && is_in_namespace("", pid, own)));
}
