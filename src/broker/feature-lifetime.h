/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a port's life is tied to. */
#pragma once

#include "feature.h"

/* Fills in how many queues of the port are open. */
void lifetime_observe(Broker *broker, Port *port);
