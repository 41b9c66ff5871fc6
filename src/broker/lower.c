/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Below a port's device there are its parent and, with VLAN=, one link more for each tag, down to
 * the trunk. When one of them is moved into another network namespace, the kernel keeps what is on
 * it here. The link may come back with another ifindex, and meanwhile another link may get the old
 * one, and the old name. So neither identifies it: only the link above tells which link it is on
 * (IFLA_LINK). That is read here and nowhere else: at a start, when an event of the device shows
 * another parent, and when one of the links below has gone or a new link appears.
 *
 * What a parent or trunk is itself on does not count. A VLAN device that somebody else has made may
 * always have had its lower link elsewhere, as in a container that was given one.
 *
 * While the parent is in another namespace, the port's parent_index is 0, which no link has. What
 * others keep by the parent's ifindex follows from here: the features are told (on_new_parent), and
 * the port's event lets src/networks follow.
 *
 * In a container a macvlan stands in for a parent that is always in another namespace
 * (src/networks/parent.c). It is known by being on the same link as the device, which does not
 * depend on it: without it the port has no parent here, but its guest has its connection.
 */
#include "broker-private.h"
#include "parent.h"

#include "error.h"

#include <errno.h>
#include <string.h>

/* The links below a device, as they are now. */
typedef struct Lower {
    LinkInfo parent; /* index 0: not here */
    gboolean stands_in;
    LinkInfo trunk; /* likewise; of a port with VLAN= */
    gboolean is_away;
    guint level; /* of the one that is away: 0 for the parent, the number of tags for the trunk */
    int netns;   /* where that is, see LinkInfo */
} Lower;

/* Whether the kernel has answered that there is no such link; FALSE: it is unknown. */
static gboolean
is_no_link(GError *take_cause, GError **error)
{
    if (!error_is_errno(take_cause, ENODEV)) {
        g_propagate_error(error, take_cause);
        return FALSE;
    }
    g_error_free(take_cause);
    return TRUE;
}

/* Of a link that has just gone only the index is set: its event is on its way. Index 0: no link. */
static gboolean
look_up(Broker *broker, int index, LinkInfo *ret_link, GError **error)
{
    Kernel *kernel = broker->kernel;
    GError *cause = NULL;

    *ret_link = (LinkInfo){0};
    if (index == 0 || kernel->ops->link_by_index(kernel, index, ret_link, &cause))
        return TRUE;
    *ret_link = (LinkInfo){.index = index};
    return is_no_link(cause, error);
}

/* Index 0: no link. */
static gboolean
look_up_name(Broker *broker, const char *name, LinkInfo *ret_link, GError **error)
{
    Kernel *kernel = broker->kernel;
    GError *cause = NULL;

    *ret_link = (LinkInfo){0};
    return kernel->ops->link_by_name(kernel, name, ret_link, &cause) || is_no_link(cause, error);
}

static gboolean
stands_in(const LinkInfo *link, const LinkInfo *device)
{
    return g_str_equal(link->kind, "macvlan") && link->lower_is_elsewhere &&
           link->lower_netns == device->lower_netns && link->lower_there == device->lower_there;
}

static gboolean
find_stand_in(Broker *broker, const Port *port, const LinkInfo *device, LinkInfo *ret_link,
              GError **error)
{
    LinkInfo link;

    *ret_link = (LinkInfo){0};
    if (!look_up(broker, port->parent_index, &link, error) ||
        (!stands_in(&link, device) && !look_up_name(broker, port->parent, &link, error)))
        return FALSE;
    if (stands_in(&link, device))
        *ret_link = link;
    return TRUE;
}

static gboolean
read_parent(Broker *broker, const Port *port, const LinkInfo *device, Lower *lower, GError **error)
{
    if (!device->lower_is_elsewhere)
        return look_up(broker, device->lower_index ? device->lower_index : port->parent_index,
                       &lower->parent, error);
    if (!find_stand_in(broker, port, device, &lower->parent, error))
        return FALSE;
    lower->stands_in = lower->parent.index != 0 || port->parent_stands_in;
    lower->is_away = !lower->stands_in;
    lower->netns = device->lower_netns;
    return TRUE;
}

/* How many VLAN devices there are between the device and the trunk. */
static guint
count_tags(const Port *port)
{
    if (!port->vlan)
        return 0;
    return strchr(port->vlan, '.') ? 2 : 1;
}

static gboolean
read_lower(Broker *broker, const Port *port, const LinkInfo *device, Lower *lower, GError **error)
{
    guint n_tags = count_tags(port);
    LinkInfo link;

    *lower = (Lower){0};
    if (!read_parent(broker, port, device, lower, error))
        return FALSE;
    link = lower->parent;
    for (guint level = 1; level <= n_tags && g_str_equal(link.kind, "vlan"); level++) {
        if (link.lower_is_elsewhere) {
            lower->is_away = TRUE;
            lower->level = level;
            lower->netns = link.lower_netns;
        }
        if (!look_up(broker, link.lower_index, &link, error))
            return FALSE;
        if (level == n_tags)
            lower->trunk = link;
    }
    return TRUE;
}

char *
lower_describe(const Port *port)
{
    g_autofree char *link = NULL, *where = NULL;

    if (!port->is_lower_away)
        return NULL;
    if (port->lower_level == 0)
        link = g_strdup_printf("its parent %s", port->parent);
    else if (port->lower_level == count_tags(port))
        link = g_strdup_printf("%s, which its parent %s is on,", port->trunk, port->parent);
    else
        link = g_strdup_printf("the VLAN device of tag %.*s, which its parent %s is on,",
                               (int)strcspn(port->vlan, "."), port->vlan, port->parent);
    where = port->lower_netns < 0
                ? g_strdup("")
                : g_strdup_printf(" (%d of 'ip netns list-id')", port->lower_netns);
    return g_strdup_printf("%s was moved into another network namespace%s: move it back and set it"
                           " up, or delete the port",
                           link, where);
}

static void
say_news(const Port *port, gboolean was_away)
{
    g_autofree char *problem = lower_describe(port);

    if (problem && !was_away)
        g_warning("port %s: %s", port->name, problem);
    else if (was_away && !problem)
        g_message("port %s: its parent %s is back from another network namespace", port->name,
                  port->parent);
}

static gboolean
take_bond(Broker *broker, Port *port, const LinkInfo *parent)
{
    char active_slave[INTERFACE_NAME_MAX + 1] = "";
    int index = parent->index
                    ? parent_bond(broker->networks, parent, active_slave, sizeof(active_slave))
                    : 0;
    gboolean changed = port->bond_index != index || !g_str_equal(port->active_slave, active_slave);

    port->bond_index = index;
    g_strlcpy(port->active_slave, active_slave, sizeof(port->active_slave));
    return changed;
}

static gboolean
take_indexes(Port *port, const Lower *lower)
{
    int trunk = lower->trunk.index || lower->is_away ? lower->trunk.index : port->trunk_index;
    gboolean changed = port->parent_index != lower->parent.index || port->trunk_index != trunk ||
                       port->parent_stands_in != lower->stands_in;

    port->parent_stands_in = lower->stands_in;
    if (port->parent_index != 0)
        port->last_parent_index = port->parent_index;
    port->parent_index = lower->parent.index;
    port->trunk_index = trunk;
    if (lower->parent.name[0])
        changed |= broker_follow_name(port, &lower->parent);
    if (lower->trunk.name[0])
        changed |= broker_follow_name(port, &lower->trunk);
    return changed;
}

/* TRUE if the port has changed. */
static gboolean
take_lower(Broker *broker, Port *port, const Lower *lower)
{
    int before = port->parent_index;
    gboolean was_away = port->is_lower_away, changed = was_away != lower->is_away;

    port->is_lower_away = lower->is_away;
    port->lower_level = lower->level;
    port->lower_netns = lower->netns;
    port->parent_mtu = lower->parent.mtu;
    if (take_indexes(port, lower)) {
        broker_save(broker, port);
        changed = TRUE;
    }
    changed |= take_bond(broker, port, &lower->parent);
    if (port->parent_index != before)
        features_on_new_parent(&broker->host, port, before);
    say_news(port, was_away);
    return changed;
}

gboolean
lower_is_news(const Port *port, const LinkInfo *device)
{
    if (port->is_lower_due)
        return TRUE;
    if (device->lower_is_elsewhere)
        return !port->parent_stands_in && (port->parent_index != 0 || !port->is_lower_away);
    return device->lower_index != 0 && device->lower_index != port->parent_index;
}

gboolean
lower_is_missing(const Port *port)
{
    return port->parent_index == 0 || port->is_lower_away;
}

gboolean
lower_has(const Port *port, int index)
{
    return port->parent_index == index || port->trunk_index == index;
}

gboolean
lower_may_have(const Port *port, const LinkInfo *removed)
{
    return lower_has(port, removed->index) || (removed->is_moved && count_tags(port) > 1);
}

gboolean
lower_follow(Broker *broker, Port *port, const LinkInfo *device, gboolean *ret_changed,
             GError **error)
{
    Lower lower;

    *ret_changed = FALSE;
    if (!lower_is_news(port, device) && !port->is_lower_away)
        return TRUE;
    if (!read_lower(broker, port, device, &lower, error))
        return FALSE;
    port->is_lower_due = FALSE;
    *ret_changed = take_lower(broker, port, &lower);
    return TRUE;
}
