/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapctl port cloud-init: what a guest needs to know of its ports, as cloud-init reads it. */
#include "hand-over.h"
#include "macvtapctl.h"
#include "output.h"

static void
free_hand_over(gpointer data)
{
    hand_over_free(data);
}

static HandOver *
look_up(MacvtapClient *client, const GPtrArray *networks, const char *name, GError **error)
{
    g_autoptr(MacvtapPort) port = ask_port(client, name, FALSE, error);

    if (!port)
        return NULL;
    for (guint i = 0; i < networks->len; i++) {
        if (g_str_equal(macvtap_network_get_name(networks->pdata[i]),
                        macvtap_port_get_network(port)))
            return hand_over_new(port, networks->pdata[i]);
    }
    return hand_over_new(port, NULL);
}

int
ctl_port_cloud_init(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(GPtrArray) leases = g_ptr_array_new_with_free_func(free_hand_over);
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) networks = NULL;
    g_autofree char *yaml = NULL;
    json_t *config;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 1, -1, "PORT...", error))
        return 2;
    client = ctl_connect(ctl, error);
    networks = client ? ask_networks(client, error) : NULL;
    if (!networks)
        return 1;
    for (int i = 1; i < argc; i++) {
        HandOver *lease = look_up(client, networks, argv[i], error);

        if (!lease)
            return 1;
        g_ptr_array_add(leases, lease);
        if (!hand_over_is_known(lease, "network-config", error))
            return 1;
    }
    config = hand_over_network_config((const HandOver *const *)leases->pdata, leases->len);
    yaml = hand_over_to_yaml(config);
    if (ctl->json) {
        output_json(config);
        return 0;
    }
    json_decref(config);
    g_print("%s", yaml);
    return 0;
}
