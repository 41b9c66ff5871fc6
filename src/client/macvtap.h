/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmacvtap: ports on the physical network from macvtapd, for any VMM.
 *
 *     g_autoptr(MacvtapClient) client = macvtap_client_connect(NULL, &error);
 *     MacvtapRequest request = {.network = "lan"};
 *     g_autoptr(MacvtapPort) port = macvtap_client_create(client, &request, &error);
 *     int fd = macvtap_port_steal_tap(port, 0);
 *
 * The calls block. A client may be used by one thread at a time. The port of this example ends when
 * the last copy of fd is closed, in whatever process.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct MacvtapClient MacvtapClient;
typedef struct MacvtapPort MacvtapPort;
typedef struct MacvtapNetwork MacvtapNetwork;

#define MACVTAP_ERROR (macvtap_error_quark())
GQuark macvtap_error_quark(void);

typedef enum MacvtapError {
    MACVTAP_ERROR_UNREACHABLE, /* nobody listens on the socket, or it may not be opened */
    MACVTAP_ERROR_PROTOCOL,  /* the daemon answered what it should not, or closed the connection */
    MACVTAP_ERROR_TIMED_OUT, /* see macvtap_client_set_timeout() */
    MACVTAP_ERROR_REFUSED,   /* the daemon said no: the message is its own, see also
                                macvtap_client_get_refusal() */
} MacvtapError;

/* socket_path NULL: $MACVTAPD_SOCKET, else /run/macvtapd/socket. */
MacvtapClient *macvtap_client_connect(const char *socket_path, GError **error);
void macvtap_client_free(MacvtapClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapClient, macvtap_client_free)

/* How long one wait for the daemon may take, in milliseconds; -1, as at the start: for ever. */
void macvtap_client_set_timeout(MacvtapClient *client, int milliseconds);

/* The last refusal's error in org.macvtapd.Ports ("NetworkNotFound"), or NULL. Valid until the next
 * call. */
const char *macvtap_client_get_refusal(const MacvtapClient *client);

/* A field of the API's CreatePort or SetPort by its name there, and its value as text: numbers in
 * digits, "yes" and "no" (linkUp: "up" and "down"), lists joined by ',', a holder as of
 * MacvtapRequest. */
typedef struct MacvtapField {
    const char *name;
    const char *value;
} MacvtapField;

/* What to ask for; NULL and 0 mean "as the network has it". Set every field you do not use to zero.
 */
typedef struct MacvtapRequest {
    const char *network;    /* a network's name, or for root "parent=eth0,mode=bridge" */
    const char *name;       /* the port's own name */
    const char *guest_name; /* the guest's, as of QEMU's -name: without name the MAC derives from
                               user, network and this, and the port is called so if it can be */
    const char *interface_name; /* of the device, at most 15 bytes */
    const char *mac_address;    /* "52:54:00:00:00:01" */
    guint mtu;                  /* bytes */
    guint queues;               /* 1 to 256 */
    const char *vhost;          /* "auto", "require" or "off" */
    const char *holder;         /* "descriptors" (as for NULL), "process" (that connected), "pid:N",
                                   "domain:UUID" or "none"; with no_descriptors not "descriptors" */
    gboolean no_descriptors;    /* make the device only */
    gboolean device_node;       /* for who opens /dev/tap<index> by path: this user, */
    guint node_owner, node_group; /* of this group, may open it, and root */
    gboolean link_down;           /* leave the device down: macvtap_client_set_link() */
    gboolean incoming;            /* the guest comes by migration from another host */
    const MacvtapField *fields;   /* what has no member above, ended by one without a name */
} MacvtapRequest;

MacvtapPort *macvtap_client_create(MacvtapClient *client, const MacvtapRequest *request,
                                   GError **error);

/* What macvtap_client_create() would make: the same refusals, and nothing is made. What is drawn
 * only then is empty in the port, its ID and ifindex above all. */
MacvtapPort *macvtap_client_check(MacvtapClient *client, const MacvtapRequest *request,
                                  GError **error);

/* Opens queues of a port that is there (by id, name or interface name); 0: as many as it has. */
MacvtapPort *macvtap_client_open(MacvtapClient *client, const char *port, guint queues,
                                 GError **error);
gboolean macvtap_client_delete(MacvtapClient *client, const char *port, GError **error);

/* A port, as it was named, that could not be removed, and why. */
typedef void (*MacvtapDeleteFailed)(const char *port, const char *message, gpointer user_data);

/*
 * Removes several ports together, which takes hardly longer than one: those that are named
 * (NULL-terminated), or all of the caller's (root: everybody's) of a network, or of all networks
 * (NULL). failed is called for each that stays; the others go. FALSE when macvtapd did not take the
 * request; of many names some ports may be gone then.
 */
gboolean macvtap_client_delete_ports(MacvtapClient *client, const char *const *ports,
                                     MacvtapDeleteFailed failed, gpointer user_data,
                                     GError **error);
gboolean macvtap_client_delete_network(MacvtapClient *client, const char *network,
                                       MacvtapDeleteFailed failed, gpointer user_data,
                                       GError **error);

/* Changes fields of a port, ended by one without a name, in one SetPort. */
gboolean macvtap_client_set(MacvtapClient *client, const char *port, const MacvtapField *fields,
                            GError **error);

/* Root only: the MAC addresses (NULL-terminated) that a port in source mode lets through. */
gboolean macvtap_client_set_sources(MacvtapClient *client, const char *port,
                                    const char *const *sources, GError **error);

/* Sets the port's device up or down. */
gboolean macvtap_client_set_link(MacvtapClient *client, const char *port, gboolean up,
                                 GError **error);

/* Ties a port whose holder is a domain to the domain's process as well; the port goes
 * when that ends. */
gboolean macvtap_client_set_holder_pid(MacvtapClient *client, const char *port, int pid,
                                       GError **error);

/* Removes those of the caller's ports (root: all) that the domain with this UUID holds; there may
 * be none. */
gboolean macvtap_client_end_domain(MacvtapClient *client, const char *uuid, guint *ret_ports,
                                   GError **error);

/* A GPtrArray of MacvtapPort without descriptors, of one network or all (NULL); g_ptr_array_unref()
 * it. The second asks for each port's statistics too, which costs macvtapd a look at every device.
 */
GPtrArray *macvtap_client_list_ports(MacvtapClient *client, const char *network, GError **error);
GPtrArray *macvtap_client_list_ports_full(MacvtapClient *client, const char *network,
                                          gboolean statistics, GError **error);

/* One port (by id, name or interface name), without descriptors; statistics: with what went over
 * its device. The refusal is "PortNotFound" when there is no such port. */
MacvtapPort *macvtap_client_get_port(MacvtapClient *client, const char *port, gboolean statistics,
                                     GError **error);

/* A GPtrArray of MacvtapNetwork. */
GPtrArray *macvtap_client_list_networks(MacvtapClient *client, GError **error);

/* For root: a line for each network's file that is new, has changed or has gone since macvtapd read
 * them; there may be none. g_strfreev() it. */
char **macvtap_client_list_file_changes(MacvtapClient *client, GError **error);

/* Something that macvtapd alone can see to be wrong, as of the API's Fault. */
typedef struct MacvtapFault {
    char *code, *subject, *message, *remedy;
} MacvtapFault;

/* For root: a GPtrArray of MacvtapFault, which may be empty; g_ptr_array_unref() it. */
GPtrArray *macvtap_client_list_faults(MacvtapClient *client, GError **error);

/*
 * Watches ports: from now on the client is good for macvtap_client_next_event() only. Changes from
 * the time of its return on are told. macvtap_client_get_fd() becomes readable when there is an
 * event.
 */
gboolean macvtap_client_watch(MacvtapClient *client, GError **error);

/* Waits for the next event: "created", "changed", "deleted" or "dropped" (static), and the port. */
gboolean macvtap_client_next_event(MacvtapClient *client, const char **ret_event,
                                   MacvtapPort **ret_port, GError **error);
int macvtap_client_get_fd(const MacvtapClient *client);

/* Root only: has macvtapd read its files again, and waits until it has. *ret_networks: how many
 * networks there are then. */
gboolean macvtap_client_reload(MacvtapClient *client, guint *ret_networks, GError **error);

/* Closes the descriptors that were not stolen. NULL is fine. */
void macvtap_port_free(MacvtapPort *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapPort, macvtap_port_free)

/* The texts belong to the port. */
const char *macvtap_port_get_id(const MacvtapPort *port);
const char *macvtap_port_get_name(const MacvtapPort *port);
const char *macvtap_port_get_network(const MacvtapPort *port);
const char *macvtap_port_get_parent(const MacvtapPort *port);
const char *macvtap_port_get_mode(const MacvtapPort *port);
const char *macvtap_port_get_interface_name(const MacvtapPort *port);
const char *macvtap_port_get_mac_address(const MacvtapPort *port);
const char *macvtap_port_get_state(const MacvtapPort *port);
int macvtap_port_get_interface_index(const MacvtapPort *port); /* in macvtapd's namespace */
guint macvtap_port_get_mtu(const MacvtapPort *port);           /* bytes */
guint macvtap_port_get_queues(const MacvtapPort *port);
guint macvtap_port_get_owner(const MacvtapPort *port); /* user ID */

/* "descriptors", "pid:N", "domain:UUID" or "none"; free with g_free(). */
char *macvtap_port_get_holder(const MacvtapPort *port);

/* The text of the field with this name in the API's Port, "" when it is not there;
 * "statistics.sentPackets" for one within another. Of lists the entries, of addresses seen the
 * addresses, of counts "NAME N, …". Free with g_free(). */
char *macvtap_port_get_text(const MacvtapPort *port, const char *field);

/* The addresses that its guest was seen to use, a line for each: "192.168.1.5 (arp, 12 s ago)". It
 * may be empty. Free with g_strfreev(). */
char **macvtap_port_get_seen_addresses(const MacvtapPort *port);

/* How many descriptors came with it; tap i and vhost i are one queue. There may be no vhosts. */
guint macvtap_port_get_n_taps(const MacvtapPort *port);
guint macvtap_port_get_n_vhosts(const MacvtapPort *port);

/* The descriptor is the caller's from then on; it is close-on-exec. */
int macvtap_port_steal_tap(MacvtapPort *port, guint index);
int macvtap_port_steal_vhost(MacvtapPort *port, guint index);

/* The port as the API has it, one line of JSON; free with g_free(). */
char *macvtap_port_to_json(const MacvtapPort *port);

void macvtap_network_free(MacvtapNetwork *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapNetwork, macvtap_network_free)

const char *macvtap_network_get_name(const MacvtapNetwork *network);
const char *macvtap_network_get_problem(const MacvtapNetwork *network); /* NULL: usable */
const char *macvtap_network_get_mode(const MacvtapNetwork *network);    /* NULL with a problem */
guint macvtap_network_get_n_ports(const MacvtapNetwork *network);

/* The field with this name in the API's Network as text: lists joined by blanks, "" when it is not
 * there; "guard.senders" for one within another. */
char *macvtap_network_get_text(const MacvtapNetwork *network, const char *field);

/* Which of its parents cannot be used now, and why: NULL-terminated, empty when all can. Free with
 * g_strfreev(). */
char **macvtap_network_get_parent_problems(const MacvtapNetwork *network);

/* For root: what the VLAN devices of other networks take away from its guests, a line for each; it
 * may be empty. Free with g_strfreev(). */
char **macvtap_network_get_taken_vlans(const MacvtapNetwork *network);

char *macvtap_network_to_json(const MacvtapNetwork *network);

G_END_DECLS
