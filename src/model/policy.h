/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may have what on a network: pure decisions on the arguments. */
#pragma once

#include "caller.h"
#include "network.h"
#include "port.h"

#include <glib.h>

/* Whether the caller may use network: root always, others by AllowUsers and AllowGroups. */
gboolean policy_may_use(const Network *network, const Caller *caller);

/*
 * Checks a request's values against the network: names, queues, vhost, MAC, MTU. *ret_queues and
 * *ret_vhost are what the port will have. Limits and the parent's state are not checked here, and
 * neither is a MAC on a network with Mac=inherit: only the broker knows the parent's. Addresses:
 * see policy_asked_addresses().
 *
 * vhost: the stricter of network and request wins (require over auto, off over auto); off and
 * require together are refused, with VHOST_UNAVAILABLE if the network has off. MTU: the network's
 * MTU= is also the limit for callers (MTU_TOO_LARGE). The interface's name: only root may choose
 * freely (ACCESS_DENIED), see interface_name_is_users(). The holder: without descriptors it cannot
 * be the descriptors. The guard: see policy_check_guard(). A name of an id's shape is refused, so
 * that it cannot be taken for another port. The guest's name is any text of one line.
 */
gboolean policy_check_request(const Network *network, const Caller *caller,
                              const PortRequest *request, guint *ret_queues, VhostPolicy *ret_vhost,
                              GError **error);

/* Checks whether the caller may give a port of the network its own guard (only root:
 * ACCESS_DENIED), and whether the settings are valid (INVALID_REQUEST). An absent guard is fine. */
gboolean policy_check_guard(const Network *network, const Caller *caller, const GuardOwn *own,
                            GError **error);

/*
 * The addresses that the caller has asked for, with the lengths of their subnets: a new GArray of
 * PortAddress, possibly empty. On a network with addresses, at most one of each family, see
 * addresses_check(); on others only root may hand in addresses (ACCESS_DENIED). NULL and *error: an
 * address is refused. It may still be taken.
 */
GArray *policy_asked_addresses(const Network *network, const Caller *caller,
                               const PortRequest *request, GError **error);

/* The most ports that the caller may have on the network, by MaxPortsPerUser= or as his share of
 * its addresses; 0: any number. */
guint policy_user_share(const Network *network, const Caller *caller);

/* The vhost policy of a port, from the network and the caller's request. */
VhostPolicy policy_vhost(const Network *network, VhostPolicy asked);

gboolean policy_mac_is_allowed(const Network *network, const MacAddress *mac); /* by AllowMacs= */

/* The port's name: the request's; otherwise the guest's if that is a valid port name; otherwise
 * NULL. Borrowed from the request. */
const char *policy_port_name(const PortRequest *request);

/* Whether a MAC is taken on the parent in question. */
typedef gboolean (*PolicyMacTaken)(const MacAddress *mac, gpointer user_data);

/* What a generated MAC derives from, besides the network: the port's name, or without one (NULL)
 * the user and the guest. All borrowed. */
typedef struct MacOrigin {
    const char *seed; /* specific to the machine, so that two hosts do not generate the same MACs */
    const char *name;
    uid_t uid;
    const char *guest_name; /* NULL: "" */
} MacOrigin;

#define MAC_ORIGIN_HASH_SIZE 32

/* SHA-256 of the origin, the network's name and counter; for anything but a MAC also of subject,
 * which is NULL for a MAC. */
void mac_origin_hash(const MacOrigin *origin, const char *network, guint counter,
                     const char *subject, guint8 ret_hash[static MAC_ORIGIN_HASH_SIZE]);

/*
 * The MAC of a generated port: stable for the same origin and network, within the network's first
 * AllowMacs range (or any in 52:54:00:…), unicast, and not taken; further candidates are as stable
 * as the first. FALSE if the whole range is taken (PORT_ERROR_MAC_CONFLICT).
 */
gboolean policy_generate_mac(const Network *network, const MacOrigin *origin, PolicyMacTaken taken,
                             gpointer user_data, MacAddress *ret_mac, GError **error);
