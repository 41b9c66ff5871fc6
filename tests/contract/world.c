/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "error.h"

#include <linux/if.h>
#include <string.h>

Kernel *world_kernel;

LinkInfo
world_link(const char *name)
{
    g_autoptr(GError) error = NULL;
    LinkInfo link;

    if (!world_kernel->ops->link_by_name(world_kernel, name, &link, &error))
        fail_msg("%s", error->message);
    return link;
}

guint
world_link_count(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) links = world_kernel->ops->link_list(world_kernel, &error);

    if (!links)
        fail_msg("%s", error->message);
    return links->len;
}

MacvtapSpec
world_spec(const char *name, guint8 last)
{
    return (MacvtapSpec){
        .name = name,
        .parent_index = world_link("up0").index,
        .mode = MACVTAP_MODE_BRIDGE,
        .set_mac = TRUE,
        .mac = {{0x52, 0x54, 0, 0, 0, last}},
        .alias = "macvtapd:test",
    };
}

int
world_index(void)
{
    static int index;

    /* Above all that the kernel counts to and that macvtapd chooses. */
    if (index == 0)
        index = (1 << 30) + g_random_int_range(0, 1 << 29);
    return index;
}

LinkInfo
world_create(const MacvtapSpec *spec)
{
    g_autoptr(GError) error = NULL;
    LinkInfo link;

    if (!world_kernel->ops->macvtap_create(world_kernel, spec, &link, &error))
        fail_msg("%s", error->message);
    return link;
}

void
world_create_fails(const MacvtapSpec *spec, int errnum)
{
    g_autoptr(GError) error = NULL;
    guint before = world_link_count();
    LinkInfo link = {.index = -7};

    assert_false(world_kernel->ops->macvtap_create(world_kernel, spec, &link, &error));
    assert_errno(&error, errnum);
    assert_int_equal(link.index, -7);
    assert_int_equal(world_link_count(), before);
}

/* Before 6.8 Linux tells the carrier at once, but what follows from it only some time later. */
static gboolean
is_settled(const LinkInfo *link)
{
    return !link->carrier || link->operational_state == IF_OPER_UP;
}

void
assert_links_equal(const LinkInfo *a, const LinkInfo *b)
{
    guint32 late = is_settled(a) && is_settled(b) ? 0 : IFF_RUNNING;

    assert_int_equal(a->index, b->index);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->kind, b->kind);
    assert_string_equal(a->alias, b->alias);
    assert_memory_equal(&a->mac, &b->mac, sizeof a->mac);
    assert_int_equal(a->mtu, b->mtu);
    assert_int_equal(a->flags & ~late, b->flags & ~late);
    if (!late)
        assert_int_equal(a->operational_state, b->operational_state);
    assert_int_equal(a->hardware_type, b->hardware_type);
    assert_int_equal(a->carrier, b->carrier);
    assert_int_equal(a->promiscuity, b->promiscuity);
    assert_int_equal(a->lower_index, b->lower_index);
    assert_int_equal(a->lower_is_elsewhere, b->lower_is_elsewhere);
    assert_int_equal(a->lower_there, b->lower_there);
    assert_int_equal(a->master_index, b->master_index);
    assert_string_equal(a->master_kind, b->master_kind);
    assert_int_equal(a->active_slave_index, b->active_slave_index);
    assert_int_equal(a->vlan_id, b->vlan_id);
    assert_int_equal(a->vlan_is_outer, b->vlan_is_outer);
    assert_int_equal(a->is_macvlan, b->is_macvlan);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->nopromisc, b->nopromisc);
    assert_int_equal(a->tx_queue_length, b->tx_queue_length);
    assert_int_equal(a->broadcast_queue_length, b->broadcast_queue_length);
    assert_int_equal(a->host_ipv6, b->host_ipv6);
}

void
assert_errno(GError **error, int errnum)
{
    assert_non_null(*error);
    if (!error_is_errno(*error, errnum))
        fail_msg("expected '%s', got: %s", g_strerror(errnum), (*error)->message);
    g_clear_error(error);
}

void
world_forget_queues(Kernel *kernel)
{
    g_autoptr(GPtrArray) owners = kernel->ops->queue_owners(kernel);

    for (guint i = 0; i < owners->len; i++)
        kernel->ops->queue_forget(kernel, owners->pdata[i]);
}
