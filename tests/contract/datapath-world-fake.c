/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath-world.h"

#include "fake-datapath.h"

#include <string.h>

static Datapath *fake;

const char *
datapath_world_begin(void)
{
    fake = fake_datapath_new();
    return NULL;
}

Datapath *
datapath_world_open(void)
{
    return fake;
}

void
datapath_world_end(Datapath *datapath)
{
    fake_datapath_end_watch(datapath);
}

void
datapath_world_drop(Datapath *datapath, int index, GuardReason reason)
{
    fake_datapath_counters(datapath, index)->dropped[reason]++;
}

gboolean
datapath_world_settings(Datapath *datapath, int index, struct guard_settings *ret_settings)
{
    const struct guard_settings *settings = fake_datapath_settings(datapath, index);

    if (settings)
        *ret_settings = *settings;
    return settings != NULL;
}

gboolean
datapath_world_dhcp(Datapath *datapath, int index, struct dhcp_port *ret_port)
{
    const struct dhcp_port *port = fake_datapath_dhcp(datapath, index);

    if (port)
        *ret_port = *port;
    return port != NULL;
}

gboolean
datapath_world_withholds(Datapath *datapath, int link, const IpAddress *address)
{
    char text[IP_ADDRESS_TEXT_SIZE];

    return fake_datapath_withholds(datapath, link, ip_address_format(address, text));
}

/* It has no programs: at each call, one more. */
guint
datapath_world_rechecks(Datapath *datapath, int index)
{
    static guint n;

    return n++;
}

void
datapath_world_age(void)
{
}

void
datapath_world_see(Datapath *datapath, int index, guint64 when)
{
    fake_datapath_state(datapath, index)->seen[0].last = when;
}

void
datapath_world_teach(Datapath *datapath, int index, const IpAddress *address)
{
    struct guard_learned *learned = fake_datapath_state(datapath, index)->learned;

    memcpy(&learned->address, address, sizeof learned->address);
    learned->until = 1;
}

/* The fake has no map of learners: the port whose state has the address has learned it. */
int
datapath_world_learner(Datapath *datapath, int link, const IpAddress *address)
{
    for (int index = 1; index < 10; index++) {
        const struct guard_settings *settings = fake_datapath_settings(datapath, index);
        const struct guard_learned *learned =
            settings ? fake_datapath_state(datapath, index)->learned : NULL;

        if (settings && settings->link == (guint32)link && learned->until != 0 &&
            memcmp(&learned->address, address, sizeof learned->address) == 0)
            return index;
    }
    return 0;
}

void
datapath_world_tear(Datapath *datapath, int index, const char *port_id)
{
    datapath->ops->forget(datapath, index, port_id);
}

int
datapath_world_pins(void)
{
    return -1;
}
