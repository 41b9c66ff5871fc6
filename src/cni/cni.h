/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of macvtapd-cni share. */
#pragma once

#include <glib.h>
#include <jansson.h>

/*
 * cni-request.c: what a container runtime asks of a CNI plugin, by the specification 1.1.0
 * (containernetworking/cni, SPEC.md): parameters in the environment and a network configuration on
 * standard input. Reading them takes memory and does no I/O.
 */

#define CNI_VERSION "1.1.0"
#define CNI_VERSION_BEFORE "1.0.0"
#define CNI_VERSION_WHEN_UNSAID "0.2.0"

/* For GC: an array of objects with containerID and ifname. */
#define CNI_VALID_ATTACHMENTS "cni.dev/valid-attachments"

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
    const char *container, *netns, *interface; /* borrowed; NULL if the command has none */
    json_t *config;                            /* the whole configuration */
    const char *version;                       /* of the configuration and the result; in config */
    const char *name, *network, *socket;       /* in config; socket NULL: the default */
    const char *ipam;                          /* the plugin that gives addresses; NULL: none */
    const char *notes;                         /* the folder of cni-notes.c; NULL: the default */
    /* For ADD: */
    char *mac;       /* asked for, or NULL */
    GStrv addresses; /* likewise, "ADDRESS/BITS"; may be empty */
    guint queues;    /* likewise; 0: the network's */
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

/*
 * cni-ipam.c: another CNI plugin that gives the addresses ("ipam"), as host-local and static do. It
 * gets the environment and the configuration that this one has got.
 */

/* Whether the plugin is in path: CNI_PATH. CNI_INVALID_CONFIG. */
gboolean cni_ipam_is_there(const CniRequest *request, const char *path, GError **error);

/* Runs the plugin for command ("ADD", …) with the configuration on its standard input. path:
 * CNI_PATH. Returns what it printed, a JSON object (for ADD and VERSION; else NULL is success, too:
 * look at *error). Its own error is passed on with its code. A plugin that does not know CNI 1.1.0
 * is asked again in the words of 1.0.0, which mean the same to it. CNI_ERROR. */
gboolean cni_ipam_call(const CniRequest *request, const char *path, const char *command,
                       json_t **ret_answer, GError **error);

/* Whether the plugin's answer to ADD is a result, with addresses or without. CNI_DECODE. */
gboolean cni_ipam_check(const CniRequest *request, json_t *answer, GError **error);

/* DEL of another attachment than the request's. */
gboolean cni_ipam_release(const CniRequest *request, const char *path, const char *container,
                          const char *interface, GError **error);

/* Whether the plugin speaks version 1.1.0, and so knows GC and STATUS: others answer them with
 * errors that mean nothing. */
gboolean cni_ipam_knows_all(const CniRequest *request, const char *path);

/* cni-notes.c: the attachments that may have an address */

/* The attachment that the request is about. Adding one that is there is no error. CNI_ERROR. */
gboolean cni_note_add(const CniRequest *request, GError **error);

/* Of the attachment of a container and an interface; it may be gone already. CNI_ERROR. */
gboolean cni_note_remove(const CniRequest *request, const char *container, const char *interface,
                         GError **error);

/* Called with each attachment of the configuration that is noted. */
typedef gboolean (*CniNoteFunc)(const char *container, const char *interface, gpointer data,
                                GError **error);

/* Goes on over failures of what it calls, and reports the first. CNI_ERROR. */
gboolean cni_notes_foreach(const CniRequest *request, CniNoteFunc function, gpointer data,
                           GError **error);
