/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * macvtap's link follows its parent's carrier, but the guest's does not: QEMU must say so
 * (set_link). With FollowCarrier= of its network the guest's link is up while the port's device is
 * up and its parent has a carrier, otherwise always. Each news of a port is compared with what the
 * guest was told last; a macvtapd that is not there changes nothing.
 *
 * After a failover, or when the parent has its carrier back, macvtapd announces each guest
 * (Announce=). What only the guest itself can announce, its own addresses by GARP, it does when
 * QEMU says that it should (VIRTIO_NET_F_GUEST_ANNOUNCE).
 */
#include "agent-private.h"
#include "daemon-call.h"
#include "guest-nics.h"

/* QEMU's schedule after a migration: 0, 50, 200, 450 and 800 ms. */
#define ANNOUNCE_INITIAL 50
#define ANNOUNCE_MAX 550
#define ANNOUNCE_ROUNDS 5
#define ANNOUNCE_STEP 100

typedef struct LinkChange {
    Agent *agent;
    char *port_id;
    gboolean down;
} LinkChange;

typedef struct Question {
    Agent *agent;
    char *port_id;
} Question;

static gboolean
should_be_down(const MacvtapPort *port)
{
    return g_strcmp0(macvtap_port_get_text(port, "followCarrier"), "yes") == 0 &&
           !(macvtap_port_get_link_up(port) && macvtap_port_get_carrier(port));
}

/* Unless QEMU has done it, the next news of the port tries again. What QEMU has not answered in
 * time it may still do. */
static void
on_link_set(json_t *value, const GError *error, gpointer user_data)
{
    LinkChange *change = user_data;
    AgentPort *port = agent_find_port(change->agent, change->port_id);

    if (error && error->code != QMP_ERROR_CLOSED)
        g_warning("cannot set the guest's link of port %s %s: %s", change->port_id,
                  change->down ? "down" : "up", error->message);
    if (error && port && error->code == QMP_ERROR_TIMED_OUT)
        port->is_unsure = TRUE;
    else if (error && port)
        port->is_down = !change->down;
    g_free(change->port_id);
    g_free(change);
}

static void
tell_guest(Agent *agent, AgentPort *port)
{
    gboolean down = port->port && should_be_down(port->port);
    LinkChange *change;

    if (!port->netdev || !port->port || port->is_leaving ||
        (down == port->is_down && !port->is_unsure))
        return;
    port->is_down = down;
    port->is_unsure = FALSE;
    change = g_new(LinkChange, 1);
    *change = (LinkChange){agent, g_strdup(port->id), down};
    qmp_call(agent->qmp, "set_link", json_pack("{s:s, s:b}", "name", port->netdev, "up", !down), -1,
             QMP_DEADLINE, on_link_set, change);
}

static void
on_announced(json_t *value, const GError *error, gpointer user_data)
{
    if (error && error->code != QMP_ERROR_CLOSED)
        g_warning("QEMU does not announce the guest: %s", error->message);
}

/* All of the guest's devices at once: its ports on one bond change their slave together. */
static void
announce(Agent *agent)
{
    qmp_call(agent->qmp, "announce-self",
             json_pack("{s:i, s:i, s:i, s:i}", "initial", ANNOUNCE_INITIAL, "max", ANNOUNCE_MAX,
                       "rounds", ANNOUNCE_ROUNDS, "step", ANNOUNCE_STEP),
             -1, QMP_DEADLINE, on_announced, NULL);
}

/* A network that is not listed is one that root has described in place. */
static gboolean
is_announced(MacvtapRequest *networks, const char *name)
{
    for (gsize i = 0; i < macvtap_request_get_n_networks(networks); i++) {
        const MacvtapNetwork *network = macvtap_request_get_network(networks, i);

        if (g_str_equal(macvtap_network_get_name(network), name))
            return g_strcmp0(macvtap_network_get_text(network, "announce"), "no") != 0;
    }
    return TRUE;
}

static void
on_networks(MacvtapRequest *request, const GError *error, gpointer user_data)
{
    Agent *agent = user_data;
    gboolean any = FALSE;

    agent->is_announcing = FALSE;
    for (guint i = 0; i < agent->ports->len; i++) {
        AgentPort *port = agent->ports->pdata[i];

        any |= port->is_moved && port->port &&
               is_announced(request, macvtap_port_get_network(port->port));
        port->is_moved = FALSE;
    }
    if (any && !agent->is_closed)
        announce(agent);
}

/* Announce= of its network counts for the guest, too. */
static void
look_whether_to_announce(Agent *agent)
{
    if (agent->is_announcing)
        return;
    agent->is_announcing = TRUE;
    daemon_call(agent->socket, macvtap_request_new(MACVTAP_METHOD_LIST_NETWORKS), on_networks,
                agent);
}

/* Whether the parent has got its carrier back, or its bond another slave. Between two slaves there
 * may be none. */
static gboolean
has_moved(AgentPort *port, const MacvtapPort *as)
{
    const char *slave = macvtap_port_get_text(as, "activeSlave");
    gboolean has_moved =
        (port->slave && slave && !g_str_equal(port->slave, slave)) ||
        (port->port && !macvtap_port_get_carrier(port->port) && macvtap_port_get_carrier(as));

    if (slave) {
        g_free(port->slave);
        port->slave = g_strdup(slave);
    }
    return has_moved;
}

void
guest_links_take(Agent *agent, AgentPort *port, MacvtapPort *as)
{
    if (has_moved(port, as)) {
        port->is_moved = TRUE;
        look_whether_to_announce(agent);
    }
    macvtap_port_free(port->port);
    port->port = as;
    port->is_untold = FALSE;
    tell_guest(agent, port);
}

/* Those that QEMU was started with have names of the user's choice there. */
static void
on_nics(GPtrArray *nics, const GError *error, gpointer user_data)
{
    Agent *agent = user_data;

    if (error && error->code != QMP_ERROR_CLOSED)
        g_warning("cannot list the guest's network devices: %s", error->message);
    for (guint i = 0; !error && i < agent->ports->len; i++) {
        AgentPort *port = agent->ports->pdata[i];
        const char *mac = port->port ? macvtap_port_get_mac_address(port->port) : NULL;
        const GuestNic *nic = port->netdev || !mac ? NULL : guest_nics_find(nics, NULL, mac);

        if (nic)
            port->netdev = g_strdup(nic->netdev);
        tell_guest(agent, port);
    }
}

static gboolean
lacks_netdev(const Agent *agent)
{
    for (guint i = 0; i < agent->ports->len; i++) {
        const AgentPort *port = agent->ports->pdata[i];

        if (port->port && !port->netdev)
            return TRUE;
    }
    return FALSE;
}

/* The port is taken. */
static void
take_news(Agent *agent, MacvtapPort *port)
{
    AgentPort *known = agent_find_port(agent, macvtap_port_get_id(port));
    gboolean is_first = known && !known->port;

    if (known)
        guest_links_take(agent, known, port);
    else
        macvtap_port_free(port);
    if (is_first && lacks_netdev(agent))
        guest_nics_list(agent->qmp, on_nics, agent);
}

static void
on_not_found(Agent *agent, AgentPort *port)
{
    if (port->is_leaving || port->is_untold)
        return;
    if (port->port) {
        g_ptr_array_remove(agent->ports, port);
        return;
    }
    port->is_untold = TRUE;
    g_warning("macvtapd does not show port %s to this user: the guest's link does not follow its "
              "parent",
              port->id);
}

static void
on_asked(MacvtapRequest *request, const GError *error, gpointer user_data)
{
    Question *question = user_data;
    AgentPort *port = agent_find_port(question->agent, question->port_id);

    if (!error)
        take_news(question->agent, macvtap_request_take_port(request, 0));
    else if (port && error->code == MACVTAP_REFUSAL_PORT_NOT_FOUND)
        on_not_found(question->agent, port);
    g_free(question->port_id);
    g_free(question);
}

void
guest_links_ask(Agent *agent, const AgentPort *port)
{
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_GET_PORT);
    Question *question = g_new(Question, 1);

    *question = (Question){agent, g_strdup(port->id)};
    macvtap_request_set_port(request, port->id);
    daemon_call(agent->socket, request, on_asked, question);
}

static MacvtapPort *
take_listed(GPtrArray *ports, const char *id)
{
    for (guint i = 0; i < ports->len; i++) {
        if (ports->pdata[i] && g_str_equal(macvtap_port_get_id(ports->pdata[i]), id))
            return g_steal_pointer(&ports->pdata[i]);
    }
    return NULL;
}

/* Who may not list a port may still be told of it. */
static void
on_listed(GPtrArray *ports, gpointer user_data)
{
    Agent *agent = user_data;

    for (guint i = 0; i < agent->ports->len; i++) {
        AgentPort *port = agent->ports->pdata[i];
        MacvtapPort *as = take_listed(ports, port->id);

        if (as)
            guest_links_take(agent, port, as);
        else
            guest_links_ask(agent, port);
    }
    if (lacks_netdev(agent))
        guest_nics_list(agent->qmp, on_nics, agent);
}

static void
on_changed(MacvtapPort *port, gpointer user_data)
{
    take_news(user_data, port);
}

static void
on_deleted(const MacvtapPort *port, gpointer user_data)
{
    Agent *agent = user_data;
    AgentPort *known = agent_find_port(agent, macvtap_port_get_id(port));

    if (known && !known->is_leaving)
        g_ptr_array_remove(agent->ports, known);
}

void
guest_links_start(Agent *agent)
{
    const PortWatchHandlers handlers = {on_listed, on_changed, on_deleted};

    agent->watch = port_watch_new(agent->socket, &handlers, agent);
}
