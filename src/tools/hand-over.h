/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's leases in the forms in which a guest without DHCP takes them: words for a command line,
 * the kernel's ip= parameter, and cloud-init's network-config. */
#pragma once

#include "ask.h"

#include <jansson.h>

/* What to tell a guest about its port; owns its strings. Lists may be empty. */
typedef struct HandOver {
    char *port, *network; /* names */
    char *mac;
    guint mtu;       /* bytes */
    GStrv addresses; /* "192.168.1.33/24" */
    GStrv gateways, dns, search;
    char *unknown; /* why these three of a lease are not known; NULL: they are */
} HandOver;

/* network NULL: macvtapd does not list it for this user. */
HandOver *hand_over_new(const MacvtapPort *port, const MacvtapNetwork *network);
void hand_over_free(HandOver *hand_over);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HandOver, hand_over_free)

typedef enum HandOverValue {
    HAND_OVER_ADDRESS, /* "192.168.1.33": the IPv4 address if there is one, else the IPv6 one */
    HAND_OVER_PREFIX,  /* "24", the length of its subnet's prefix */
    HAND_OVER_GATEWAY, /* of the same family */
    HAND_OVER_DNS,     /* the first DNS server, if possible of the same family */
    HAND_OVER_IP,      /* ip=, the kernel's parameter (Documentation/admin-guide/nfs/nfsroot.rst) */
} HandOverValue;

/* The value; free with g_free(). Fails with G_OPTION_ERROR if there is none, and with ASK_ERROR if
 * that is not known. */
char *hand_over_text(const HandOver *hand_over, HandOverValue value, GError **error);

/* Whether gateways and DNS servers of the port are known, if there are any. FALSE: *error
 * (ASK_ERROR) says why not; use is what needs them. */
gboolean hand_over_is_known(const HandOver *hand_over, const char *use, GError **error);

/* cloud-init's network-config, version 2, for n ports, each matched by its MAC; one without a lease
 * asks DHCP. A new reference. */
json_t *hand_over_network_config(const HandOver *const *ports, guint n);

/* The same as YAML; free with g_free(). */
char *hand_over_to_yaml(const json_t *network_config);

/*
 * seed.c: the folder of a NoCloud disk (cloud-init's datasource), which QEMU shows its guest by
 * vvfat.
 */

/*
 * Writes network-config into the folder, creating it if necessary, and meta-data and user-data
 * unless they exist, as cloud-init wants all three; name becomes the instance's. A network-config
 * that is not ours (it lacks our first line) stays, and *ret_kept is TRUE. Fails with G_FILE_ERROR.
 */
gboolean seed_write(const char *folder, const char *name, const char *network_config,
                    gboolean *ret_kept, GError **error);

/* Whether the folder has such a network-config, which seed_write() would keep. */
gboolean seed_has_own_config(const char *folder);

/*
 * QEMU's arguments for the folder as a disk, read-only, with the label CIDATA, which cloud-init
 * looks for, for the QEMU in command (from its path on). Free with g_strfreev(). Fails
 * with G_OPTION_ERROR.
 */
GStrv seed_arguments(const char *folder, const char *const *command, GError **error);
