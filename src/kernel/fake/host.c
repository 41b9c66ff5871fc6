/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host links, and the host's addresses, routes and neighbours. */
#include "fake-private.h"

#include "error.h"
#include "source.h"

#include <errno.h>
#include <string.h>

typedef struct FakeProbe {
    FakeKernel *kernel;
    int index;
    IpAddress address;
    MacAddress mac; /* zero: nobody has answered */
    StationHandler handler;
    gpointer user_data;
    GSource *timer;
} FakeProbe;

void
fake_probe_free(gpointer data)
{
    source_clear(&((FakeProbe *)data)->timer);
    g_free(data);
}

/* ---- the link ---- */

gboolean
fake_host_link_create(Kernel *base, const HostLinkSpec *spec, LinkInfo *ret_link, GError **error)
{
    const MacvtapSpec macvtap = {
        .name = spec->name,
        .index = spec->index,
        .parent_index = spec->parent_index,
        .mode = MACVTAP_MODE_BRIDGE,
        .set_mac = TRUE,
        .mac = spec->mac,
        .alias = spec->alias,
        .before_up = spec->before_up,
        .before_up_data = spec->before_up_data,
    };

    return !fake_fails(fake_kernel(base), "host_link_create", error) &&
           fake_macvlan_create(base, &macvtap, "macvlan", ret_link, error);
}

gboolean
fake_host_link_set_proxies(Kernel *base, int index, const IpAddress *addresses, gsize n_addresses,
                           GError **error)
{
    FakeLink *link = fake_take(base, "host_link_set_proxies", index, "set the proxies of", error);

    if (!link)
        return FALSE;
    g_array_set_size(link->proxies, 0);
    g_array_append_vals(link->proxies, addresses, (guint)n_addresses);
    return TRUE;
}

const GArray *
kernel_fake_proxies(Kernel *base, int index)
{
    return fake_find(fake_kernel(base), index)->proxies;
}

/* ---- addresses ---- */

static gboolean
parse_address(const FakeEvent *event, LinkAddress *ret_address)
{
    g_auto(GStrv) parts = g_strsplit(event->address, "/", 2);
    LinkAddress address = {.index = event->link.index};

    if (!ip_address_parse(parts[0], &address.address))
        return FALSE;
    address.bits = (guint)g_ascii_strtoull(parts[1], NULL, 10) +
                   (ip_address_is_ipv4(&address.address) ? 96 : 0);
    *ret_address = address;
    return TRUE;
}

static GArray *
list_addresses(const FakeKernel *kernel)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(LinkAddress));

    for (guint i = 0; i < kernel->addresses->len; i++) {
        LinkAddress address;

        if (parse_address(&g_array_index(kernel->addresses, FakeEvent, i), &address))
            g_array_append_val(list, address);
    }
    return list;
}

GArray *
fake_address_list(Kernel *base, GError **error)
{
    return fake_fails(fake_kernel(base), "address_list", error) ? NULL
                                                                : list_addresses(fake_kernel(base));
}

GArray *
fake_address_recall(Kernel *base, GError **error)
{
    return fake_fails(fake_kernel(base), "address_recall", error)
               ? NULL
               : list_addresses(fake_kernel(base));
}

static gboolean
has_address(FakeKernel *kernel, const IpAddress *wanted)
{
    for (guint i = 0; i < kernel->addresses->len; i++) {
        LinkAddress address;

        if (parse_address(&g_array_index(kernel->addresses, FakeEvent, i), &address) &&
            ip_address_equal(&address.address, wanted))
            return TRUE;
    }
    return FALSE;
}

/* ---- paths ---- */

static HostPath *
find_path(FakeKernel *kernel, int index, const IpAddress *address, guint *ret_position)
{
    for (guint i = 0; i < kernel->paths->len; i++) {
        HostPath *path = &g_array_index(kernel->paths, HostPath, i);

        if (path->index != index || !ip_address_equal(&path->address, address))
            continue;
        *ret_position = i;
        return path;
    }
    return NULL;
}

static int
add_path(FakeKernel *kernel, const HostPath *path)
{
    guint position;
    HostPath *present;

    if (!fake_find(kernel, path->index))
        return ENODEV;
    present = find_path(kernel, path->index, &path->address, &position);
    if (!present) {
        const HostPath neighbour = {
            .index = path->index, .address = path->address, .mac = path->mac};

        g_array_append_val(kernel->paths, neighbour);
        present = find_path(kernel, path->index, &path->address, &position);
    }
    present->mac = path->mac;
    if (!ip_address_equal(&present->source, &(IpAddress){{0}}))
        return EEXIST;
    if (!has_address(kernel, &path->source))
        return EINVAL;
    present->source = path->source;
    return 0;
}

gboolean
fake_path_add(Kernel *base, const HostPath *paths, gsize n_paths, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    int errnum = 0;

    if (fake_fails(kernel, "path_add", error))
        return FALSE;
    for (gsize i = 0; i < n_paths; i++) {
        int result = add_path(kernel, &paths[i]);

        errnum = errnum ? errnum : result;
    }
    return errnum == 0 || error_set_errno(error, errnum, "cannot add the host's routes");
}

gboolean
fake_path_remove(Kernel *base, const HostPath *paths, gsize n_paths, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    guint position;

    if (fake_fails(kernel, "path_remove", error))
        return FALSE;
    for (gsize i = 0; i < n_paths; i++) {
        if (find_path(kernel, paths[i].index, &paths[i].address, &position))
            g_array_remove_index(kernel->paths, position);
    }
    return TRUE;
}

GArray *
fake_path_list(Kernel *base, int index, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    GArray *list;

    if (fake_fails(kernel, "path_list", error))
        return NULL;
    list = g_array_new(FALSE, FALSE, sizeof(HostPath));
    for (guint i = 0; i < kernel->paths->len; i++) {
        const HostPath *path = &g_array_index(kernel->paths, HostPath, i);

        if (path->index == index)
            g_array_append_vals(list, path, 1);
    }
    return list;
}

void
kernel_fake_remove_route(Kernel *base, int index, const char *text)
{
    FakeKernel *kernel = fake_kernel(base);
    RoutingChange change = {.type = ROUTING_PATH_LOST, .index = index};
    guint position;
    HostPath *path;

    g_return_if_fail(ip_address_parse(text, &change.address));
    path = find_path(kernel, index, &change.address, &position);
    g_return_if_fail(path != NULL);
    path->source = (IpAddress){{0}};
    fake_tell_routing(kernel, &change);
}

/* fib_sync_down_addr(): without an event. IPv6 routes lose only their source. */
void
fake_source_vanish(FakeKernel *kernel, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    IpAddress address;

    if (!ip_address_parse(parts[0], &address))
        return;
    for (guint i = 0; i < kernel->paths->len; i++) {
        HostPath *path = &g_array_index(kernel->paths, HostPath, i);

        if (ip_address_equal(&path->source, &address))
            path->source = (IpAddress){{0}};
    }
}

void
fake_routes_vanish(FakeKernel *kernel, int index)
{
    for (guint i = kernel->paths->len; i-- > 0;) {
        if (g_array_index(kernel->paths, HostPath, i).index == index)
            g_array_remove_index(kernel->paths, i);
    }
    for (guint i = kernel->neighbours->len; i-- > 0;) {
        if (g_array_index(kernel->neighbours, RoutingChange, i).index == index)
            g_array_remove_index(kernel->neighbours, i);
    }
    fake_station_forget(&kernel->kernel, index);
}

/* ---- gateways and neighbours; both are kept as changes ---- */

GArray *
fake_gateway_list(Kernel *base, int index, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    GArray *list;

    if (fake_fails(kernel, "gateway_list", error))
        return NULL;
    list = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    for (guint i = 0; i < kernel->neighbours->len; i++) {
        const RoutingChange *each = &g_array_index(kernel->neighbours, RoutingChange, i);

        if (each->type == ROUTING_GATEWAY && each->index == index)
            g_array_append_val(list, each->address);
    }
    return list;
}

void
kernel_fake_add_gateway(Kernel *base, int index, const char *text)
{
    RoutingChange change = {.type = ROUTING_GATEWAY, .index = index};

    g_return_if_fail(ip_address_parse(text, &change.address));
    g_array_append_val(fake_kernel(base)->neighbours, change);
    fake_tell_routing(fake_kernel(base), &change);
}

/* Without an event. */
void
kernel_fake_remove_gateway(Kernel *base, int index, const char *text)
{
    FakeKernel *kernel = fake_kernel(base);
    IpAddress address;

    g_return_if_fail(ip_address_parse(text, &address));
    for (guint i = kernel->neighbours->len; i-- > 0;) {
        const RoutingChange *each = &g_array_index(kernel->neighbours, RoutingChange, i);

        if (each->type == ROUTING_GATEWAY && each->index == index &&
            ip_address_equal(&each->address, &address))
            g_array_remove_index(kernel->neighbours, i);
    }
}

static RoutingChange *
find_neighbour(FakeKernel *kernel, int index, const IpAddress *address)
{
    for (guint i = 0; i < kernel->neighbours->len; i++) {
        RoutingChange *each = &g_array_index(kernel->neighbours, RoutingChange, i);

        if (each->type == ROUTING_NEIGHBOUR && each->index == index &&
            ip_address_equal(&each->address, address))
            return each;
    }
    return NULL;
}

gboolean
fake_neighbour_look(Kernel *base, int index, const IpAddress *address, MacAddress *ret_mac,
                    GError **error)
{
    const RoutingChange *found = find_neighbour(fake_kernel(base), index, address);

    if (fake_fails(fake_kernel(base), "neighbour_look", error))
        return FALSE;
    *ret_mac = found ? found->mac : (MacAddress){{0}};
    return TRUE;
}

static RoutingChange
put_neighbour(FakeKernel *kernel, int index, const char *text, const MacAddress *mac)
{
    RoutingChange change = {.type = ROUTING_NEIGHBOUR, .index = index, .mac = *mac};
    RoutingChange *present;

    if (!ip_address_parse(text, &change.address))
        g_error("'%s' is no address", text);
    present = find_neighbour(kernel, index, &change.address);
    if (present)
        *present = change;
    else
        g_array_append_val(kernel->neighbours, change);
    return change;
}

void
kernel_fake_set_neighbour(Kernel *base, int index, const char *text, const MacAddress *mac)
{
    const RoutingChange change = put_neighbour(fake_kernel(base), index, text, mac);

    fake_tell_routing(fake_kernel(base), &change);
}

void
kernel_fake_lose_neighbour(Kernel *base, int index, const char *text, const MacAddress *mac)
{
    const RoutingChange lost = {.type = ROUTING_LOST};

    put_neighbour(fake_kernel(base), index, text, mac);
    fake_tell_routing(fake_kernel(base), &lost);
}

/* ---- stations ---- */

static gboolean
finish_probe(gpointer user_data)
{
    FakeProbe *probe = user_data;
    const FakeProbe finished = *probe;

    g_ptr_array_remove(finished.kernel->probes, probe);
    finished.handler(finished.index, &finished.address,
                     mac_address_is_zero(&finished.mac) ? NULL : &finished.mac, finished.user_data);
    return G_SOURCE_REMOVE;
}

gboolean
fake_station_probe(Kernel *base, const LinkInfo *link, const IpAddress *address,
                   StationHandler handler, gpointer user_data, GError **error)
{
    FakeProbe *probe;

    if (!fake_take(base, "station_probe", link->index, "ask the stations on", error))
        return FALSE;
    probe = g_new0(FakeProbe, 1);
    *probe = (FakeProbe){.kernel = fake_kernel(base),
                         .index = link->index,
                         .address = *address,
                         .handler = handler,
                         .user_data = user_data};
    probe->timer = source_add_timeout(fake_kernel(base)->probe_time, finish_probe, probe, "probe");
    g_ptr_array_add(probe->kernel->probes, probe);
    return TRUE;
}

void
fake_station_forget(Kernel *base, int index)
{
    GPtrArray *probes = fake_kernel(base)->probes;

    for (guint i = probes->len; i-- > 0;) {
        if (index == 0 || ((FakeProbe *)probes->pdata[i])->index == index)
            g_ptr_array_remove_index(probes, i);
    }
}

void
kernel_fake_answer(Kernel *base, int index, const char *text, const MacAddress *mac)
{
    GPtrArray *probes = fake_kernel(base)->probes;
    IpAddress address;

    g_return_if_fail(ip_address_parse(text, &address));
    for (guint i = 0; i < probes->len; i++) {
        FakeProbe *probe = probes->pdata[i];

        if (probe->index != index || !ip_address_equal(&probe->address, &address))
            continue;
        probe->mac = *mac;
        source_clear(&probe->timer);
        probe->timer = source_add_idle(finish_probe, probe, "answer");
    }
}

void
kernel_fake_hurry_probes(Kernel *base)
{
    fake_kernel(base)->probe_time = 0;
}

/* ---- claims ---- */

gboolean
fake_watch_claims(Kernel *base, ClaimHandler handler, gpointer user_data, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);

    if (fake_fails(kernel, "watch_claims", error))
        return FALSE;
    kernel->claim_handler = handler;
    kernel->claim_data = user_data;
    return TRUE;
}

void
kernel_fake_claim(Kernel *base, int index, const char *text, const MacAddress *mac)
{
    const FakeKernel *kernel = fake_kernel(base);
    IpAddress address;

    if (kernel->claim_handler && ip_address_parse(text, &address))
        kernel->claim_handler(index, &address, mac, kernel->claim_data);
}
