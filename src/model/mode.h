/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The macvlan modes, with the kernel's names (see ip-link(8), "MACVTAP type"). */
typedef enum MacvtapMode {
    MACVTAP_MODE_BRIDGE,
    MACVTAP_MODE_VEPA,
    MACVTAP_MODE_PRIVATE,
    MACVTAP_MODE_PASSTHRU,
    MACVTAP_MODE_SOURCE,
} MacvtapMode;
#define MACVTAP_MODE_COUNT (MACVTAP_MODE_SOURCE + 1)

const char *macvtap_mode_name(MacvtapMode mode);

/* FALSE for anything but the five names, in lower case; libvirt's "passthrough" is not one of them.
 */
gboolean macvtap_mode_parse(const char *text, MacvtapMode *ret_mode);
