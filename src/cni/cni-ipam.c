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

gboolean
cni_ipam_call(const CniRequest *request, const char *path, const char *command, json_t **ret_answer,
              GError **error)
{
    g_autofree char *file = find_plugin(path, request->ipam), *text = NULL, *out = NULL;
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr(GSubprocess) child = NULL;
    g_autoptr(GError) cause = NULL;
    json_t *answer;
    gboolean good;

    if (!file)
        return cni_refuse(error, CNI_INVALID_CONFIG, "%s: there is no plugin %s in CNI_PATH",
                          request->name, request->ipam);
    g_subprocess_launcher_setenv(launcher, "CNI_COMMAND", command, TRUE);
    child = g_subprocess_launcher_spawn(launcher, &cause, file, NULL);
    text = json_dumps(request->config, JSON_COMPACT);
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
