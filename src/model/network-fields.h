/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of a network's fields: see field.h. A new one is a member of Network, a row here,
 * and a line in org.macvtapd.Ports.varlink. */
#pragma once

#include "field.h"

/* In the order of display; ends with a row without a name. A network with a problem has only its
 * name. */
extern const Field network_fields[];
