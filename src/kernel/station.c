/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Asks who has an address as a station does before it takes one: an ARP probe (RFC 5227, sender
 * 0.0.0.0) or a neighbour solicitation from :: (RFC 4862), which change no station's tables. They
 * go out at once and twice more, as frames get lost. A frame that a link sends itself does not
 * reach the macvlans on it, so guests do not hear it, unless the switch sends it back.
 *
 * A packet socket for each link with probes gets its ARP and neighbour advertisements, those that
 * come in. It is open only while there are probes.
 */
#include "linux-private.h"

#include "error.h"
#include "source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#define FRAME_MAX 128
#define FRAMES_PER_WAKE 64

/* When each frame is sent, and the end, in milliseconds after the one before. */
static const guint waits[] = {100, 150, STATION_PROBE_TIME - 100 - 150};

const Privileges station_privileges = {
    .part = "stations",
    .system_calls = SYSTEM_CALLS({"socket", 1, AF_PACKET}, {"setsockopt"}, {"bind"}, {"sendto"},
                                 {"recvfrom"}, {"close"}),
};

/* The probes on a link. */
typedef struct Stations {
    LinuxKernel *kernel;
    int index;
    MacAddress mac;
    int fd;
    GSource *source;
    GPtrArray *probes; /* of Probe */
} Stations;

typedef struct Probe {
    Stations *stations;
    IpAddress address;
    StationHandler handler;
    gpointer user_data;
    guint n_sent;
    GSource *timer;
} Probe;

static void
probe_free(gpointer data)
{
    source_clear(&((Probe *)data)->timer);
    g_free(data);
}

void
station_free(gpointer data)
{
    Stations *stations = data;

    source_clear(&stations->source);
    g_ptr_array_unref(stations->probes);
    descriptor_clear(&stations->fd);
    g_free(stations);
}

/* ---- frames ---- */

static gsize
write_arp(const Probe *probe, guint8 *frame)
{
    static const guint8 head[] = {0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 255, ETH_ALEN, 4,
                                  0, ARPOP_REQUEST};

    memset(frame, 0xff, ETH_ALEN);
    memcpy(frame + 14, head, sizeof head);
    memcpy(frame + 22, probe->stations->mac.octets, ETH_ALEN);
    memcpy(frame + 38, probe->address.bytes + 12, 4);
    frame[12] = ETH_P_ARP >> 8;
    frame[13] = ETH_P_ARP & 255;
    return ETH_ZLEN;
}

/* RFC 8200, 8.1: over the pseudo header and the message. */
static guint16
checksum_icmpv6(const guint8 *ip, gsize length)
{
    guint32 sum = (guint32)length + IPPROTO_ICMPV6;

    for (gsize i = 8; i < 40 + length; i += 2)
        sum += (guint32)(ip[i] << 8 | ip[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (guint16)~sum;
}

/* RFC 4861, 4.3: to the address's group of solicited nodes. */
static gsize
write_solicitation(const Probe *probe, guint8 *frame)
{
    static const guint8 group[] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    guint8 *ip = frame + ETH_HLEN, *message = ip + 40;
    guint16 sum;

    memcpy(ip + 24, group, sizeof group);
    memcpy(ip + 37, probe->address.bytes + 13, 3);
    frame[0] = frame[1] = 0x33;
    memcpy(frame + 2, ip + 36, 4);
    frame[12] = ETH_P_IPV6 >> 8;
    frame[13] = ETH_P_IPV6 & 255;
    ip[0] = 0x60;
    ip[5] = 24;
    ip[6] = IPPROTO_ICMPV6;
    ip[7] = 255;
    message[0] = 135;
    memcpy(message + 8, probe->address.bytes, sizeof probe->address.bytes);
    sum = checksum_icmpv6(ip, 24);
    message[2] = (guint8)(sum >> 8);
    message[3] = (guint8)sum;
    return ETH_HLEN + 40 + 24;
}

/* A link that is down or full loses the frame, as a wire may. */
static void
send_probe(const Probe *probe)
{
    guint8 frame[FRAME_MAX] = {0};
    gsize length = ip_address_is_ipv4(&probe->address) ? write_arp(probe, frame)
                                                       : write_solicitation(probe, frame);

    memcpy(frame + ETH_ALEN, probe->stations->mac.octets, ETH_ALEN);
    if (RETRY_EINTR(send(probe->stations->fd, frame, length, MSG_DONTWAIT)) < 0)
        g_debug("cannot send a probe on link %d: %s", probe->stations->index, g_strerror(errno));
}

/* The station's address in an ARP frame or a neighbour advertisement; FALSE: another frame. */
static gboolean
read_station(const guint8 *frame, gsize length, IpAddress *ret_address)
{
    guint type = length >= ETH_HLEN ? (guint)(frame[12] << 8 | frame[13]) : 0;

    if (type == ETH_P_ARP && length >= 42) {
        *ret_address = ip_address_from_ipv4(frame + 28);
        return TRUE;
    }
    if (type != ETH_P_IPV6 || length < ETH_HLEN + 64 || frame[20] != IPPROTO_ICMPV6 ||
        frame[54] != 136)
        return FALSE;
    memcpy(ret_address->bytes, frame + 62, sizeof ret_address->bytes);
    return TRUE;
}

/* ---- probes ---- */

static Probe *
find_probe(const Stations *stations, const IpAddress *address)
{
    for (guint i = 0; i < stations->probes->len; i++) {
        if (ip_address_equal(&((Probe *)stations->probes->pdata[i])->address, address))
            return stations->probes->pdata[i];
    }
    return NULL;
}

/* The probe, and after the last one the socket, are gone when the handler is called. */
static void
finish_probe(Probe *probe, const MacAddress *mac)
{
    const Probe finished = *probe;
    Stations *stations = probe->stations;
    int index = stations->index;

    g_ptr_array_remove_fast(stations->probes, probe);
    if (stations->probes->len == 0)
        g_hash_table_remove(stations->kernel->stations, GINT_TO_POINTER(index));
    finished.handler(index, &finished.address, mac, finished.user_data);
}

static gboolean
on_time(gpointer user_data)
{
    Probe *probe = user_data;

    source_clear(&probe->timer);
    if (probe->n_sent == G_N_ELEMENTS(waits)) {
        finish_probe(probe, NULL);
        return G_SOURCE_REMOVE;
    }
    send_probe(probe);
    probe->timer = source_add_timeout(waits[probe->n_sent++], on_time, probe, "station probe");
    return G_SOURCE_REMOVE;
}

static gboolean
on_frame(gint fd, GIOCondition condition, gpointer user_data)
{
    Stations *stations = user_data;

    for (guint i = 0; i < FRAMES_PER_WAKE; i++) {
        guint8 frame[FRAME_MAX];
        gssize length = RETRY_EINTR(recv(fd, frame, sizeof frame, MSG_DONTWAIT));
        Probe *probe = NULL;
        IpAddress address;
        MacAddress mac;

        if (length < 0)
            break;
        if (read_station(frame, (gsize)length, &address))
            probe = find_probe(stations, &address);
        memcpy(mac.octets, frame + ETH_ALEN, sizeof mac.octets);
        if (!probe || mac_address_equal(&mac, &stations->mac))
            continue;
        finish_probe(probe, &mac);
        break; /* stations may be gone; what is left wakes us again */
    }
    return G_SOURCE_CONTINUE;
}

static int
open_socket(int index, GError **error)
{
    /* Frames of all VLANs come here, each without its tag, which the kernel keeps beside it. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (guint32)(SKF_AD_OFF + SKF_AD_VLAN_TAG)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 8),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 5),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {G_N_ELEMENTS(code), code};
    const struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
    AUTO_FD int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        error_set_errno(error, errno, "cannot ask the stations on link %d", index);
        return -1;
    }
    return g_steal_fd(&fd);
}

static Stations *
ensure_stations(LinuxKernel *kernel, const LinkInfo *link, GError **error)
{
    Stations *stations = g_hash_table_lookup(kernel->stations, GINT_TO_POINTER(link->index));
    int fd;

    if (stations)
        return stations;
    if (link->index <= 0) { /* the socket would take it as "every link" */
        error_set_errno(error, ENODEV, "cannot ask the stations on link %d", link->index);
        return NULL;
    }
    fd = open_socket(link->index, error);
    if (fd < 0)
        return NULL;
    stations = g_new0(Stations, 1);
    *stations = (Stations){.kernel = kernel, .index = link->index, .mac = link->mac, .fd = fd};
    stations->probes = g_ptr_array_new_with_free_func(probe_free);
    stations->source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(stations->source, G_SOURCE_FUNC(on_frame), stations, NULL);
    g_source_set_name(stations->source, "stations");
    g_source_attach(stations->source, g_main_context_get_thread_default());
    g_hash_table_insert(kernel->stations, GINT_TO_POINTER(link->index), stations);
    return stations;
}

gboolean
station_probe(Kernel *base, const LinkInfo *link, const IpAddress *address, StationHandler handler,
              gpointer user_data, GError **error)
{
    Stations *stations = ensure_stations(linux_kernel(base), link, error);
    Probe *probe;

    if (!stations)
        return FALSE;
    probe = find_probe(stations, address);
    if (!probe) {
        probe = g_new0(Probe, 1);
        probe->stations = stations;
        probe->address = *address;
        g_ptr_array_add(stations->probes, probe);
        send_probe(probe);
        probe->timer = source_add_timeout(waits[probe->n_sent++], on_time, probe, "station probe");
    }
    probe->handler = handler;
    probe->user_data = user_data;
    return TRUE;
}

void
station_forget(Kernel *base, int index)
{
    if (index == 0)
        g_hash_table_remove_all(linux_kernel(base)->stations);
    else
        g_hash_table_remove(linux_kernel(base)->stations, GINT_TO_POINTER(index));
}
