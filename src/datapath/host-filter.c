/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-filter.h"

#include "datapath-private.h"
#include "host-link-map.h"

#include "error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <glib-unix.h>
#include <string.h>

G_STATIC_ASSERT(sizeof(struct host_address) == sizeof(IpAddress));

typedef enum HostMap {
    HOST_MAP_LINKS,
    HOST_MAP_PORTS,
    HOST_MAP_CLAIMS,
    HOST_MAP_EVENTS,
    HOST_MAPS,
} HostMap;

static const char *const map_names[HOST_MAPS] = {"host_links", "host_ports", "host_claims",
                                                 "host_events"};

typedef struct LinuxHostFilter {
    HostFilter filter; /* first member: the operations */
    struct bpf_object *object;
    int maps[HOST_MAPS]; /* descriptors, the object's */
    HostPrograms programs;
    struct ring_buffer *ring; /* NULL: nobody is watching */
    GSource *source;
    HostHeardHandler handler;
    gpointer user_data;
} LinuxHostFilter;

static LinuxHostFilter *
linux_filter(HostFilter *filter)
{
    return (LinuxHostFilter *)filter;
}

static const HostPrograms *
linux_programs(HostFilter *base)
{
    return &linux_filter(base)->programs;
}

static gboolean
put(HostFilter *base, HostMap map, const void *key, const void *value, const char *what,
    GError **error)
{
    return bpf_map_update_elem(linux_filter(base)->maps[map], key, value, BPF_ANY) == 0 ||
           error_set_errno(error, errno, "cannot write %s of a host link", what);
}

static void
drop(HostFilter *base, HostMap map, const void *key)
{
    bpf_map_delete_elem(linux_filter(base)->maps[map], key);
}

static gboolean
linux_set_link(HostFilter *base, int index, const IpAddress *addresses, gsize n, GError **error)
{
    struct host_link link = {.n = (guint32)MIN(n, HOST_LINK_ADDRESSES)};

    if (link.n > 0) /* addresses may then be NULL */
        memcpy(link.addresses, addresses, link.n * sizeof *addresses);
    return put(base, HOST_MAP_LINKS, &index, &link, "the addresses", error);
}

static void
linux_forget_link(HostFilter *base, int index)
{
    drop(base, HOST_MAP_LINKS, &index);
}

static struct host_port_key
port_key(int index, const MacAddress *mac)
{
    struct host_port_key key = {.ifindex = (guint32)index};

    memcpy(key.mac, mac->octets, sizeof key.mac);
    return key;
}

static gboolean
linux_set_port(HostFilter *base, int index, const MacAddress *mac, const IpAddress *addresses,
               gsize n, GError **error)
{
    const struct host_port_key key = port_key(index, mac);
    struct host_port port = {.n = (guint32)MIN(n, HOST_PORT_ADDRESSES)};

    if (port.n > 0) /* likewise */
        memcpy(port.addresses, addresses, port.n * sizeof *addresses);
    return put(base, HOST_MAP_PORTS, &key, &port, "the ports", error);
}

static void
linux_forget_port(HostFilter *base, int index, const MacAddress *mac)
{
    const struct host_port_key key = port_key(index, mac);

    drop(base, HOST_MAP_PORTS, &key);
}

static struct host_claim_key
claim_key(int index, const IpAddress *address)
{
    struct host_claim_key key = {.ifindex = (guint32)index};

    memcpy(&key.address, address, sizeof key.address);
    return key;
}

static gboolean
linux_set_claim(HostFilter *base, int index, const IpAddress *address, GError **error)
{
    const struct host_claim_key key = claim_key(index, address);
    const struct host_claim claim = {0};

    return put(base, HOST_MAP_CLAIMS, &key, &claim, "the claims", error);
}

static void
linux_forget_claim(HostFilter *base, int index, const IpAddress *address)
{
    const struct host_claim_key key = claim_key(index, address);

    drop(base, HOST_MAP_CLAIMS, &key);
}

/* ---- events ---- */

static int
on_event(void *context, void *data, size_t size)
{
    const LinuxHostFilter *filter = context;
    const struct host_heard *heard = data;
    IpAddress address;
    MacAddress mac;

    if (size < sizeof *heard)
        return 0;
    memcpy(&address, &heard->address, sizeof address);
    memcpy(mac.octets, heard->mac, sizeof mac.octets);
    filter->handler((int)heard->ifindex, &address, &mac, filter->user_data);
    return 0;
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    ring_buffer__consume(linux_filter(user_data)->ring);
    return G_SOURCE_CONTINUE;
}

static gboolean
linux_watch(HostFilter *base, HostHeardHandler handler, gpointer user_data, GError **error)
{
    LinuxHostFilter *filter = linux_filter(base);

    filter->handler = handler;
    filter->user_data = user_data;
    filter->ring = ring_buffer__new(filter->maps[HOST_MAP_EVENTS], on_event, filter, NULL);
    if (!filter->ring)
        return error_set_errno(error, errno, "cannot read the events of host links");
    filter->source = g_unix_fd_source_new(ring_buffer__epoll_fd(filter->ring), G_IO_IN);
    g_source_set_callback(filter->source, G_SOURCE_FUNC(on_readable), filter, NULL);
    g_source_set_name(filter->source, "host links");
    g_source_attach(filter->source, g_main_context_get_thread_default());
    return TRUE;
}

/* ---- from open to free ---- */

static void
linux_free(HostFilter *base)
{
    LinuxHostFilter *filter = linux_filter(base);

    if (filter->source) {
        g_source_destroy(filter->source);
        g_source_unref(filter->source);
    }
    ring_buffer__free(filter->ring);
    bpf_object__close(filter->object);
    g_free(filter);
}

static const HostFilterOps linux_ops = {
    .programs = linux_programs,
    .set_link = linux_set_link,
    .forget_link = linux_forget_link,
    .set_port = linux_set_port,
    .forget_port = linux_forget_port,
    .set_claim = linux_set_claim,
    .forget_claim = linux_forget_claim,
    .watch = linux_watch,
    .free = linux_free,
};

static gboolean
load(LinuxHostFilter *filter, GError **error)
{
    DatapathProgram egress, ingress;
    int r;

    filter->object = bpf_object__open_mem(host_link_object, host_link_object_size, NULL);
    if (!filter->object)
        return error_set_errno(error, errno, "cannot read the BPF object of host links");
    r = bpf_object__load(filter->object);
    if (r < 0)
        return error_set_errno(error, -r, "this kernel refuses the BPF programs of host links");
    for (HostMap map = 0; map < HOST_MAPS; map++)
        filter->maps[map] = bpf_object__find_map_fd_by_name(filter->object, map_names[map]);
    if (!datapath_find_program(filter->object, "from_host", &egress, error) ||
        !datapath_find_program(filter->object, "to_host", &ingress, error))
        return FALSE;
    filter->programs = (HostPrograms){egress.fd, ingress.fd, egress.id, ingress.id};
    return TRUE;
}

HostFilter *
host_filter_open(GError **error)
{
    LinuxHostFilter *filter = g_new0(LinuxHostFilter, 1);
    g_autoptr(HostFilter) owner = &filter->filter;

    filter->filter.ops = &linux_ops;
    return load(filter, error) ? g_steal_pointer(&owner) : NULL;
}
