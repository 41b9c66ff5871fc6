/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container runtime asks of a CNI plugin, by the specification 1.1.0
 * (containernetworking/cni, SPEC.md): parameters in the environment and a network configuration on
 * standard input. Reading them takes memory and does no I/O.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

#define CNI_VERSION "1.1.0"
#define CNI_VERSION_BEFORE "1.0.0"
#define CNI_VERSION_WHEN_UNSAID "0.2.0"

/* The specification's codes; macvtapd's refusals are CNI_REFUSED + their number. */
typedef enum CniCode {
    CNI_INCOMPATIBLE_VERSION = 1,
    CNI_UNSUPPORTED_FIELD = 2,
    CNI_UNKNOWN_CONTAINER = 3,
    CNI_INVALID_ENVIRONMENT = 4,
    CNI_IO = 5,
    CNI_DECODE = 6,
    CNI_INVALID_CONFIG = 7,
    CNI_TRY_AGAIN = 11,
    CNI_NOT_AVAILABLE = 50,
    CNI_REFUSED = 100,
} CniCode;

#define CNI_ERROR (cni_error_quark())
GQuark cni_error_quark(void);

/* Sets *error to code with this message and returns FALSE. */
gboolean cni_refuse(GError **error, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);

typedef enum CniCommand {
    CNI_ADD,
    CNI_DEL,
    CNI_CHECK,
    CNI_GC,
    CNI_STATUS,
    CNI_VERSION_QUERY,
} CniCommand;

/* The environment, as the runtime gives it; borrowed, each may be NULL. */
typedef struct CniEnvironment {
    const char *command, *container, *netns, *interface, *arguments;
} CniEnvironment;

typedef struct CniRequest {
    CniCommand command;
    const char *container, *netns, *interface; /* borrowed; NULL where the command has none */
    json_t *config;                            /* the whole configuration */
    const char *version;                       /* of the configuration and the result; in config */
    const char *name, *network, *socket;       /* in config; socket NULL: the default */
    const char *ipam;                          /* the plugin that gives addresses; NULL: none */
    const char *notes;                         /* the folder of cni-notes.h; NULL: the default */
    char *mac;                                 /* asked for, or NULL */
    GStrv addresses;                           /* likewise, "ADDRESS/BITS"; may be empty */
} CniRequest;

void cni_request_clear(CniRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CniRequest, cni_request_clear)

/* Clear *ret_request on success. text: length bytes of standard input. CNI_ERROR. */
gboolean cni_request_read(const CniEnvironment *environment, const char *text, gsize length,
                          CniRequest *ret_request, GError **error);

/* The name of the attachment's port. A container's ID that is too long for one is shortened, with
 * its SHA-256 in place of what is left out. Free with g_free(). */
char *cni_port_name(const char *container, const char *interface);

/* What the port's description says of the attachment, by which GC finds it: "CNI NAME". Free with
 * g_free(). */
char *cni_description(const CniRequest *request);

/* The versions that the plugin speaks, as an array of text. */
json_t *cni_versions(void);
