/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Announcements of guests to the network, see announcements.c. Private to this module, which offers
 * its users networks_saw_link() and networks_lost_link(). */
#pragma once

#include "networks.h"

typedef struct Announcements Announcements;

Announcements *announcements_new(Networks *networks);
void announcements_free(Announcements *announcements);

/* The state of a link that is not a port's: from an event, or as it was read. */
void announcements_saw(Announcements *announcements, const LinkInfo *link);

void announcements_lost(Announcements *announcements, int index);
