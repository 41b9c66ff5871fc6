/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports whose guest is on another host: it is to come by migration, or has left by one. */
#pragma once

#include "broker-private.h"

/* Whether the caller may ask for such a port. */
gboolean incoming_check(const Caller *caller, const PortRequest *request, GError **error);

/* Waits for the guest's first frame on a port that is incoming; on one that another daemon has
 * made, whose guest may have sent it long ago; and waits no longer. Without effect on what does not
 * wait. */
gboolean incoming_await(Broker *broker, const Port *port, GError **error);
gboolean incoming_resume(Broker *broker, Port *port, GError **error);
void incoming_end(Broker *broker, const Port *port);

/* A guest with this MAC has been announced from the wire at the link with this index
 * (AnnouncementHandler; user_data is the Broker). */
void incoming_on_announcement(int index, const MacAddress *mac, gpointer user_data);
