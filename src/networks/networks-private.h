/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the networks' room share; nobody else includes it. */
#pragma once

#include "networks.h"
#include "owned-devices.h"

struct Networks {
    Kernel *kernel;
    const PortTable *ports;
    OwnedDevices *devices;
    GHashTable *table; /* name -> Network */
};
