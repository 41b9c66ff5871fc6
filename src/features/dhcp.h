/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guard's programs are to answer to a port's guest. Private to this module. */
#pragma once

#include "dhcp-options.h"
#include "network.h"
#include "port.h"

/* What the port answers to DHCP: FALSE if nothing, because its network does not have it do so or it
 * has no IPv4 address. The answer borrows from both. */
gboolean dhcp_find_answer(const Network *network, const Port *port, DhcpAnswer *ret_answer);
