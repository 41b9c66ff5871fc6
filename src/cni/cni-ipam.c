/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cni-ipam.h"

#include <gio/gio.h>
#include <string.h>

static char *
find_plugin(const char *path, const char *name)
{
    g_auto(GStrv) folders = g_strsplit(path ?: "", ":", -1);

    for (char **folder = folders; *folder; folder++) {
        g_autofree char *file = g_build_filename(*folder, name, NULL);

        if ((*folder)[0] != '\0' && g_file_test(file, G_FILE_TEST_IS_EXECUTABLE))
            return g_steal_pointer(&file);
    }
    return NULL;
}

/* The plugin has failed and says why, or nothing that can be read. */
static gboolean
pass_on(const char *name, json_t *answer, GError **error)
{
    const char *message = json_string_value(json_object_get(answer, "msg"));
    const char *details = json_string_value(json_object_get(answer, "details"));
    json_int_t code = json_integer_value(json_object_get(answer, "code"));

    if (!message)
        return cni_refuse(error, CNI_IO, "the plugin %s failed and did not say why", name);
    return cni_refuse(error, code > 0 && code <= G_MAXINT ? (int)code : CNI_IO, "%s: %s%s%s", name,
                      message, details && details[0] ? ": " : "", details ?: "");
}

/* The attachment: NULL for the request's own, which is in the environment. */
typedef struct Call {
    const char *file, *command, *container, *interface;
} Call;

static GSubprocess *
start_plugin(const Call *call, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);

    g_subprocess_launcher_setenv(launcher, "CNI_COMMAND", call->command, TRUE);
    if (call->container) {
        g_subprocess_launcher_setenv(launcher, "CNI_CONTAINERID", call->container, TRUE);
        g_subprocess_launcher_setenv(launcher, "CNI_IFNAME", call->interface, TRUE);
    }
    return g_subprocess_launcher_spawn(launcher, error, call->file, NULL);
}

static gboolean
run_plugin(const CniRequest *request, const Call *call, json_t *config, json_t **ret_answer,
           GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GSubprocess) child = start_plugin(call, &cause);
    g_autofree char *text = json_dumps(config, JSON_COMPACT), *out = NULL;
    json_t *answer;
    gboolean good;

    if (!child || !g_subprocess_communicate_utf8(child, text, NULL, &out, NULL, &cause))
        return cni_refuse(error, CNI_IO, "%s: %s", request->ipam, cause->message);
    answer = json_loads(out ?: "", JSON_REJECT_DUPLICATES, NULL);
    good = g_subprocess_get_successful(child);
    if (!good)
        pass_on(request->ipam, answer, error);
    if (!good || !ret_answer)
        json_decref(answer);
    else
        *ret_answer = answer;
    return good;
}

/* The configuration in a version that the plugin may know better. Free with json_decref(). */
static json_t *
older_config(const CniRequest *request)
{
    json_t *config = json_deep_copy(request->config);
    json_t *before = json_object_get(config, "prevResult");

    json_object_set_new(config, "cniVersion", json_string(CNI_VERSION_BEFORE));
    if (before)
        json_object_set_new(before, "cniVersion", json_string(CNI_VERSION_BEFORE));
    return config;
}

static gboolean
call_plugin(const CniRequest *request, const char *path, Call call, json_t **ret_answer,
            GError **error)
{
    g_autofree char *file = find_plugin(path, request->ipam);
    g_autoptr(GError) cause = NULL;
    json_t *older;
    gboolean good;

    if (!file)
        return cni_refuse(error, CNI_INVALID_CONFIG, "%s: there is no plugin %s in CNI_PATH",
                          request->name, request->ipam);
    call.file = file;
    if (run_plugin(request, &call, request->config, ret_answer, &cause))
        return TRUE;
    if (cause->code != CNI_INCOMPATIBLE_VERSION || !g_str_equal(request->version, CNI_VERSION)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    older = older_config(request);
    good = run_plugin(request, &call, older, ret_answer, error);
    json_decref(older);
    return good;
}

gboolean
cni_ipam_call(const CniRequest *request, const char *path, const char *command, json_t **ret_answer,
              GError **error)
{
    return call_plugin(request, path, (Call){.command = command}, ret_answer, error);
}

gboolean
cni_ipam_release(const CniRequest *request, const char *path, const char *container,
                 const char *interface, GError **error)
{
    const Call call = {.command = "DEL", .container = container, .interface = interface};

    return call_plugin(request, path, call, NULL, error);
}

gboolean
cni_ipam_knows_all(const CniRequest *request, const char *path)
{
    json_t *answer = NULL, *versions, *version;
    gboolean knows = FALSE;
    gsize i;

    if (!cni_ipam_call(request, path, "VERSION", &answer, NULL))
        return FALSE;
    versions = json_object_get(answer, "supportedVersions");
    json_array_foreach (versions, i, version)
        knows = knows || g_strcmp0(json_string_value(version), CNI_VERSION) == 0;
    json_decref(answer);
    return knows;
}
