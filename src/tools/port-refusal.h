/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macvtap.h"

/*
 * To be called when macvtap_client_create() has failed. If a port has the name or the MAC that was
 * asked for (either may be NULL), *error also names the processes that have its queues open, as far
 * as the caller may look at them: a child that inherited a descriptor by mistake keeps a port.
 */
void port_refusal_name_users(MacvtapClient *client, const char *name, const char *mac,
                             GError **error);
