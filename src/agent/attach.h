/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives a running QEMU another port, and takes one away. */
#pragma once

#include "daemon-call.h"
#include "qmp.h"

typedef struct AttachSettings {
    const char *socket;      /* macvtapd's; NULL: the default */
    const char *model, *bus; /* of device_add; NULL: what suits the machine */
} AttachSettings;

/* A request for a port of the network. fields: further fields by their names in the API (an object
 * of texts, or NULL). guest_name: QEMU's -name or NULL. NULL with DAEMON_CALL_ERROR: there is no
 * such field, or it cannot have this value. */
MacvtapRequest *attach_request_new(const char *network, json_t *fields, const char *guest_name,
                                   GError **error);

/* port: without descriptors, as QEMU has them; taken. error: nothing is left. */
typedef void (*AttachDone)(MacvtapPort *port, const GError *error, gpointer user_data);

/* Creates a port by the request (MACVTAP_METHOD_CREATE_PORT; taken) and plugs it into the guest.
 * qmp must stay until done is called. */
void attach_port(Qmp *qmp, const AttachSettings *settings, MacvtapRequest *request, AttachDone done,
                 gpointer user_data);

/* The backend of a port that attach_port() has plugged in; free with g_free(). */
char *attach_netdev_name(const char *port_id);

typedef void (*DetachDone)(const GError *error, gpointer user_data);

/* Has the guest release the port's device, and ends the port unless something else than its
 * descriptors holds it. port: as macvtapd has it, borrowed. netdev: its backend's name; NULL: as
 * attach_port() calls it, or that of the only device with the port's MAC. */
void detach_port(Qmp *qmp, const char *socket, const MacvtapPort *port, const char *netdev,
                 DetachDone done, gpointer user_data);
