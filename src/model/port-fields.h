/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of a port's fields: see field.h. A new field is a member of the structures in
 * port.h that have it, a row here, and its lines in org.macvtapd.Ports.varlink. */
#pragma once

#include "field.h"

/* In the order of display; ends with a row without a name. */
extern const Field port_fields[];
