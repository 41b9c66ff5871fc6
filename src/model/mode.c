/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mode.h"

static const char *const mode_names[] = {
    [MACVTAP_MODE_BRIDGE] = "bridge",   [MACVTAP_MODE_VEPA] = "vepa",
    [MACVTAP_MODE_PRIVATE] = "private", [MACVTAP_MODE_PASSTHRU] = "passthru",
    [MACVTAP_MODE_SOURCE] = "source",
};
G_STATIC_ASSERT(G_N_ELEMENTS(mode_names) == MACVTAP_MODE_COUNT);

const char *
macvtap_mode_name(MacvtapMode mode)
{
    return mode_names[mode];
}

gboolean
macvtap_mode_parse(const char *text, MacvtapMode *ret_mode)
{
    for (guint i = 0; i < G_N_ELEMENTS(mode_names); i++) {
        if (g_str_equal(text, mode_names[i])) {
            *ret_mode = (MacvtapMode)i;
            return TRUE;
        }
    }
    return FALSE;
}
