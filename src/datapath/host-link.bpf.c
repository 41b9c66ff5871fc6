/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* The programs of a host link: host-link-rules.h says what passes. What passes goes to the next
 * filter at the hook. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "host-link-rules.h"

char host_license[] SEC("license") = "GPL v2";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, HOST_LINKS);
    __type(key, __u32);
    __type(value, struct host_link);
} host_links SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, HOST_PORTS);
    __type(key, struct host_port_key);
    __type(value, struct host_port);
} host_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, HOST_CLAIMS);
    __type(key, struct host_claim_key);
    __type(value, struct host_claim);
} host_claims SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, HOST_EVENTS);
} host_events SEC(".maps");

/* The most of the frame's first bytes that are one of these numbers; 0: fewer than any. */
HOST_INLINE __u32
load_head(struct __sk_buff *frame, __u8 *head)
{
    if (bpf_skb_load_bytes(frame, 0, head, HOST_HEAD) == 0)
        return HOST_HEAD;
    if (bpf_skb_load_bytes(frame, 0, head, HOST_ETH + HOST_IPV6) == 0)
        return HOST_ETH + HOST_IPV6;
    if (bpf_skb_load_bytes(frame, 0, head, HOST_ETH + HOST_ARP) == 0)
        return HOST_ETH + HOST_ARP;
    return bpf_skb_load_bytes(frame, 0, head, HOST_ETH + HOST_IPV4) == 0 ? HOST_ETH + HOST_IPV4 : 0;
}

HOST_INLINE struct host_port *
find_port(__u32 ifindex, const __u8 *mac)
{
    struct host_port_key key = {.ifindex = ifindex};

    for (int i = 0; i < 6; i++)
        key.mac[i] = mac[i];
    return bpf_map_lookup_elem(&host_ports, &key);
}

/* If the ring is full, the next such frame tries again. */
static __attribute__((noinline)) int
tell_heard(__u32 ifindex, const __u8 *mac, const struct host_claim_key *key,
           struct host_claim *claim)
{
    struct host_heard *heard;

    if (!mac || !key || !claim)
        return 0;
    heard = bpf_ringbuf_reserve(&host_events, sizeof(*heard), 0);
    if (!heard)
        return 0;
    __builtin_memset(heard, 0, sizeof(*heard));
    heard->address = key->address;
    heard->ifindex = ifindex;
    for (int i = 0; i < 6; i++)
        heard->mac[i] = mac[i];
    claim->heard = 1;
    bpf_ringbuf_submit(heard, 0);
    return 0;
}

SEC("tc")
int
to_host(struct __sk_buff *frame)
{
    __u32 ifindex = frame->ifindex, length;
    struct host_claim_key key = {.ifindex = ifindex};
    const struct host_link *link;
    const struct host_port *port;
    struct host_claim *claim;
    __u8 head[HOST_HEAD] = {0};

    length = load_head(frame, head);
    if (length == 0 || frame->vlan_present)
        return TC_ACT_SHOT;
    port = find_port(ifindex, head + 6);
    if (port) {
        link = bpf_map_lookup_elem(&host_links, &ifindex);
        return link && host_takes(head, length, link, port) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
    }
    if (!host_hears(head, length, &key.address))
        return TC_ACT_SHOT;
    claim = bpf_map_lookup_elem(&host_claims, &key);
    if (claim && !claim->heard)
        tell_heard(ifindex, head + 6, &key, claim);
    return TC_ACT_SHOT;
}

SEC("tc")
int
from_host(struct __sk_buff *frame)
{
    __u8 mac[6];

    if (bpf_skb_load_bytes(frame, 0, mac, sizeof(mac)) < 0 || !find_port(frame->ifindex, mac))
        return TC_ACT_SHOT;
    return TC_ACT_UNSPEC;
}
