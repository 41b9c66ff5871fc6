/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's enums and the API's words for their values. */
#include "client-private.h"

#include <errno.h>
#include <string.h>

static const char *const modes[] = {
    [MACVTAP_PORT_MODE_BRIDGE] = "bridge",   [MACVTAP_PORT_MODE_VEPA] = "vepa",
    [MACVTAP_PORT_MODE_PRIVATE] = "private", [MACVTAP_PORT_MODE_PASSTHRU] = "passthru",
    [MACVTAP_PORT_MODE_SOURCE] = "source",
};

static const char *const states[] = {
    [MACVTAP_PORT_STATE_CREATING] = "creating",
    [MACVTAP_PORT_STATE_ACTIVE] = "active",
    [MACVTAP_PORT_STATE_PARENT_GONE] = "parent-gone",
    [MACVTAP_PORT_STATE_DEVICE_GONE] = "device-gone",
};

static const char *const vhosts[] = {
    [MACVTAP_VHOST_AUTO] = "auto",
    [MACVTAP_VHOST_REQUIRE] = "require",
    [MACVTAP_VHOST_OFF] = "off",
};

static const char *const holders[] = {
    [MACVTAP_HOLDER_DESCRIPTORS] = "descriptors", [MACVTAP_HOLDER_PROCESS] = "process",
    [MACVTAP_HOLDER_DOMAIN] = "domain",           [MACVTAP_HOLDER_NONE] = "none",
    [MACVTAP_HOLDER_NAMESPACE] = "namespace",
};

static const char *const events[] = {
    [MACVTAP_EVENT_CREATED] = "created",
    [MACVTAP_EVENT_CHANGED] = "changed",
    [MACVTAP_EVENT_DELETED] = "deleted",
    [MACVTAP_EVENT_DROPPED] = "dropped",
};

static const char *const frame_kinds[] = {
    [MACVTAP_FRAMES_PASSED] = "passed",
    [MACVTAP_FRAMES_DROPPED] = "dropped",
    [MACVTAP_FRAMES_ALL] = "all",
};

static const char *const methods[] = {
    [MACVTAP_METHOD_CREATE_PORT] = CLIENT_INTERFACE "CreatePort",
    [MACVTAP_METHOD_OPEN_PORT] = CLIENT_INTERFACE "OpenPort",
    [MACVTAP_METHOD_SET_PORT] = CLIENT_INTERFACE "SetPort",
    [MACVTAP_METHOD_DELETE_PORT] = CLIENT_INTERFACE "DeletePort",
    [MACVTAP_METHOD_GET_PORT] = CLIENT_INTERFACE "GetPort",
    [MACVTAP_METHOD_LIST_PORTS] = CLIENT_INTERFACE "ListPorts",
    [MACVTAP_METHOD_LIST_NETWORKS] = CLIENT_INTERFACE "ListNetworks",
    [MACVTAP_METHOD_END_DOMAIN] = CLIENT_INTERFACE "EndDomain",
    [MACVTAP_METHOD_RELOAD] = CLIENT_INTERFACE "Reload",
    [MACVTAP_METHOD_WATCH_PORTS] = CLIENT_INTERFACE "WatchPorts",
    [MACVTAP_METHOD_CAPTURE_PORT] = CLIENT_INTERFACE "CapturePort",
    [MACVTAP_METHOD_GET_STATISTICS] = CLIENT_INTERFACE "GetStatistics",
};

static const struct {
    const char *name;
    int errnum;
} refusals[] = {
    [MACVTAP_REFUSAL_OTHER] = {NULL, EREMOTEIO},
    [MACVTAP_REFUSAL_INVALID_REQUEST] = {CLIENT_INTERFACE "InvalidRequest", EINVAL},
    [MACVTAP_REFUSAL_NETWORK_NOT_FOUND] = {CLIENT_INTERFACE "NetworkNotFound", ENOENT},
    [MACVTAP_REFUSAL_NETWORK_INVALID] = {CLIENT_INTERFACE "NetworkInvalid", EBADMSG},
    [MACVTAP_REFUSAL_ACCESS_DENIED] = {CLIENT_INTERFACE "AccessDenied", EACCES},
    [MACVTAP_REFUSAL_LIMIT_REACHED] = {CLIENT_INTERFACE "LimitReached", EDQUOT},
    [MACVTAP_REFUSAL_PORT_NOT_FOUND] = {CLIENT_INTERFACE "PortNotFound", ENOENT},
    [MACVTAP_REFUSAL_PARENT_NOT_FOUND] = {CLIENT_INTERFACE "ParentNotFound", ENODEV},
    [MACVTAP_REFUSAL_PARENT_UNUSABLE] = {CLIENT_INTERFACE "ParentUnusable", ENETDOWN},
    [MACVTAP_REFUSAL_PARENT_BUSY] = {CLIENT_INTERFACE "ParentBusy", EBUSY},
    [MACVTAP_REFUSAL_NAME_TAKEN] = {CLIENT_INTERFACE "NameTaken", EEXIST},
    [MACVTAP_REFUSAL_MAC_CONFLICT] = {CLIENT_INTERFACE "MacConflict", EADDRINUSE},
    [MACVTAP_REFUSAL_MAC_NOT_ALLOWED] = {CLIENT_INTERFACE "MacNotAllowed", EPERM},
    [MACVTAP_REFUSAL_ADDRESS_CONFLICT] = {CLIENT_INTERFACE "AddressConflict", EADDRINUSE},
    [MACVTAP_REFUSAL_ADDRESS_NOT_ALLOWED] = {CLIENT_INTERFACE "AddressNotAllowed", EPERM},
    [MACVTAP_REFUSAL_MTU_TOO_LARGE] = {CLIENT_INTERFACE "MtuTooLarge", EMSGSIZE},
    [MACVTAP_REFUSAL_HOLDER_INVALID] = {CLIENT_INTERFACE "HolderInvalid", ESRCH},
    [MACVTAP_REFUSAL_VHOST_UNAVAILABLE] = {CLIENT_INTERFACE "VhostUnavailable", EOPNOTSUPP},
    [MACVTAP_REFUSAL_DEVICE_GONE] = {CLIENT_INTERFACE "DeviceGone", ENXIO},
    [MACVTAP_REFUSAL_SYSTEM_ERROR] = {CLIENT_INTERFACE "SystemError", EIO},
    [MACVTAP_REFUSAL_UNKNOWN_FIELD] = {"org.varlink.service.InvalidParameter", ENOTSUP},
    [MACVTAP_REFUSAL_UNKNOWN_METHOD] = {"org.varlink.service.MethodNotFound", ENOSYS},
};

static const char *
word_of(const char *const *words, gsize n, guint value)
{
    return value < n && words[value] ? words[value] : "";
}

static guint
value_of(const char *const *words, gsize n, const char *word)
{
    for (guint value = 0; value < n; value++) {
        if (g_strcmp0(words[value], word) == 0 && word)
            return value;
    }
    return 0;
}

#define WORD_OF(words, value) word_of(words, G_N_ELEMENTS(words), value)
#define VALUE_OF(words, word) value_of(words, G_N_ELEMENTS(words), word)

const char *
macvtap_port_mode_name(MacvtapPortMode mode)
{
    return WORD_OF(modes, mode);
}

const char *
macvtap_port_state_name(MacvtapPortState state)
{
    return WORD_OF(states, state);
}

const char *
macvtap_vhost_name(MacvtapVhost vhost)
{
    return WORD_OF(vhosts, vhost);
}

const char *
macvtap_holder_name(MacvtapHolder holder)
{
    return WORD_OF(holders, holder);
}

const char *
macvtap_event_type_name(MacvtapEventType type)
{
    return WORD_OF(events, type);
}

const char *
macvtap_frames_name(MacvtapFrames frames)
{
    return WORD_OF(frame_kinds, frames);
}

const char *
client_method_name(MacvtapMethod method)
{
    const char *name = WORD_OF(methods, method);

    return name[0] ? name : NULL;
}

const char *
macvtap_method_name(MacvtapMethod method)
{
    const char *name = client_method_name(method);

    return name ? name + strlen(CLIENT_INTERFACE) : "";
}

const char *
macvtap_refusal_name(MacvtapRefusal refusal)
{
    guint value = (guint)refusal;
    const char *name = value < G_N_ELEMENTS(refusals) ? refusals[value].name : NULL;

    return name ? strrchr(name, '.') + 1 : "";
}

MacvtapPortMode
client_mode_parse(const char *word)
{
    return VALUE_OF(modes, word);
}

MacvtapPortState
client_state_parse(const char *word)
{
    return VALUE_OF(states, word);
}

MacvtapVhost
client_vhost_parse(const char *word)
{
    return VALUE_OF(vhosts, word);
}

MacvtapHolder
client_holder_parse(const char *word)
{
    return VALUE_OF(holders, word);
}

MacvtapEventType
client_event_parse(const char *word)
{
    return VALUE_OF(events, word);
}

MacvtapRefusal
client_refusal_parse(const char *error)
{
    for (guint refusal = MACVTAP_REFUSAL_OTHER + 1; refusal < G_N_ELEMENTS(refusals); refusal++) {
        if (g_str_equal(refusals[refusal].name, error) ||
            (!strchr(error, '.') && g_str_equal(macvtap_refusal_name(refusal), error)))
            return refusal;
    }
    return MACVTAP_REFUSAL_OTHER;
}

int
client_refusal_errno(MacvtapRefusal refusal)
{
    return refusals[refusal].errnum;
}

const char *
macvtap_version(void)
{
    return MACVTAP_VERSION;
}

unsigned
macvtap_version_number(void)
{
    return MACVTAP_VERSION_NUMBER;
}
