/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-error.h"

G_DEFINE_QUARK(macvtapd - varlink - error, varlink_error)
