/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* varlink-certification-server SOCKET: serves org.varlink.certification there until it is ended.
 * Prints "ready" once it listens. */
#include "varlink-certification.h"

#include "varlink-server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* client id → the index of the step that is due */
static GHashTable *clients;

static guint
find_step(const char *method)
{
    guint index = 0;

    while (!g_str_equal(certification_steps[index].method, method))
        index++;
    return index;
}

static void
handle_start(VarlinkCall *call, gpointer user_data)
{
    char *id = g_uuid_string_random();

    g_hash_table_insert(clients, id, GUINT_TO_POINTER(find_step("Test01")));
    varlink_call_reply(call, json_pack("{s:s}", "client_id", id), NULL);
}

/* Whether the call is what is due; otherwise it is answered with an error. */
static gboolean
check_call(VarlinkCall *call, guint index)
{
    const CertificationStep *step = &certification_steps[index];
    json_t *parameters = varlink_call_parameters(call);
    const char *id = json_string_value(json_object_get(parameters, "client_id"));
    json_t *wants, *got;
    gpointer due;

    if (!id || !g_hash_table_lookup_extended(clients, id, NULL, &due)) {
        varlink_call_error(call, CERTIFICATION ".ClientIdError", NULL);
        return FALSE;
    }
    wants = certification_parse(step->parameters);
    got = json_copy(parameters);
    json_object_del(got, "client_id");
    if (GPOINTER_TO_UINT(due) == index && certification_equal(wants, got)) {
        g_hash_table_insert(clients, g_strdup(id), GUINT_TO_POINTER(index + 1));
        json_decref(wants);
        json_decref(got);
        return TRUE;
    }
    varlink_call_error(call, CERTIFICATION ".CertificationError",
                       json_pack("{s:o, s:o}", "wants", wants, "got", got));
    return FALSE;
}

static void
handle_step(VarlinkCall *call, const char *method)
{
    guint index = find_step(method);

    if (check_call(call, index))
        varlink_call_reply(call, certification_parse(certification_steps[index].reply), NULL);
}

/* The table of methods has no name to give to its handlers. */
#define STEP(method)                                                                               \
    static void handle_##method(VarlinkCall *call, gpointer user_data)                             \
    {                                                                                              \
        handle_step(call, #method);                                                                \
    }
STEP(Test01)
STEP(Test02)
STEP(Test03)
STEP(Test04)
STEP(Test05)
STEP(Test06)
STEP(Test07)
STEP(Test08)
STEP(Test09)
STEP(End)

static json_t *
numbered_reply(guint number)
{
    g_autofree char *text = g_strdup_printf("Reply number %u", number);

    return json_pack("{s:s}", "string", text);
}

static void
handle_test10(VarlinkCall *call, gpointer user_data)
{
    guint number = 1;

    if (!check_call(call, find_step("Test10")))
        return;
    while (number < CERTIFICATION_REPLIES)
        varlink_call_reply_more(call, numbered_reply(number++));
    varlink_call_reply(call, numbered_reply(number), NULL);
}

static void
handle_test11(VarlinkCall *call, gpointer user_data)
{
    if (check_call(call, find_step("Test11")))
        varlink_call_reply(call, NULL, NULL);
}

static const VarlinkMethod methods[] = {
    {"Start", handle_start},
    {"Test01", handle_Test01},
    {"Test02", handle_Test02},
    {"Test03", handle_Test03},
    {"Test04", handle_Test04},
    {"Test05", handle_Test05},
    {"Test06", handle_Test06},
    {"Test07", handle_Test07},
    {"Test08", handle_Test08},
    {"Test09", handle_Test09},
    {"Test10", handle_test10, .needs_more = TRUE},
    {"Test11", handle_test11},
    {"End", handle_End},
    {NULL},
};

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0)
        g_error("cannot listen at %s: %s", path, g_strerror(errno));
    return fd;
}

int
main(int argc, char **argv)
{
    const VarlinkServiceInfo info = {"macvtapd", "Certification", MACVTAPD_VERSION,
                                     "https://varlink.org/"};
    g_autoptr(VarlinkServer) server = varlink_server_new(&info, NULL, NULL);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;

    if (argc != 2)
        g_error("usage: varlink-certification-server SOCKET");
    clients = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    varlink_server_add_interface(server, CERTIFICATION, certification_description, methods, NULL);
    if (!varlink_server_listen(server, listen_at(argv[1]), VARLINK_ROOT_IS_ROOT, &error))
        g_error("%s", error->message);
    puts("ready");
    fflush(stdout);
    g_main_loop_run(loop);
    return 0;
}
