/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cni.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char *
find_plugin(const CniRequest *request, const char *path, GError **error)
{
    g_auto(GStrv) folders = g_strsplit(path ?: "", ":", -1);

    for (char **folder = folders; *folder; folder++) {
        g_autofree char *file = g_build_filename(*folder, request->ipam, NULL);

        if ((*folder)[0] != '\0' && g_file_test(file, G_FILE_TEST_IS_REGULAR) &&
            g_file_test(file, G_FILE_TEST_IS_EXECUTABLE))
            return g_steal_pointer(&file);
    }
    cni_refuse(error, CNI_INVALID_CONFIG, "%s: there is no plugin %s in CNI_PATH", request->name,
               request->ipam);
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

/* A file and no pipe: some plugins end without reading it, and a write to them would end this one.
 */
static int
make_input(json_t *config)
{
    g_autofree char *text = json_dumps(config, JSON_COMPACT);
    AUTO_FD int fd = memfd_create("configuration", MFD_CLOEXEC);
    gsize length = strlen(text);

    if (fd < 0 || RETRY_EINTR(write(fd, text, length)) != (ssize_t)length || lseek(fd, 0, SEEK_SET))
        return -1;
    return g_steal_fd(&fd);
}

static gboolean
start_plugin(const Call *call, int input, GPid *ret_pid, int *ret_output, GError **error)
{
    const char *const argv[] = {call->file, NULL};
    g_auto(GStrv) environment = g_get_environ();

    environment = g_environ_setenv(environment, "CNI_COMMAND", call->command, TRUE);
    if (call->container) {
        environment = g_environ_setenv(environment, "CNI_CONTAINERID", call->container, TRUE);
        environment = g_environ_setenv(environment, "CNI_IFNAME", call->interface, TRUE);
    }
    return g_spawn_async_with_pipes_and_fds(
        NULL, argv, (const char *const *)environment,
        G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN | G_SPAWN_CLOEXEC_PIPES, NULL,
        NULL, input, -1, STDERR_FILENO, NULL, NULL, 0, ret_pid, NULL, ret_output, NULL, error);
}

/* All that it prints. Free with g_string_free(). */
static GString *
read_output(int output)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t n;

    while ((n = RETRY_EINTR(read(output, buffer, sizeof buffer))) > 0)
        g_string_append_len(text, buffer, n);
    return text;
}

static gboolean
run_plugin(const CniRequest *request, const Call *call, json_t *config, json_t **ret_answer,
           GError **error)
{
    AUTO_FD int input = make_input(config), output = -1;
    g_autoptr(GError) cause = NULL;
    g_autoptr(GString) text = NULL;
    json_t *answer;
    GPid pid;
    int status = -1;

    if (input < 0)
        return cni_refuse(error, CNI_IO, "%s: %s", request->ipam, g_strerror(errno));
    if (!start_plugin(call, input, &pid, &output, &cause))
        return cni_refuse(error, CNI_IO, "%s: %s", request->ipam, cause->message);
    text = read_output(output);
    RETRY_EINTR(waitpid(pid, &status, 0));
    answer = json_loadb(text->str, text->len, JSON_REJECT_DUPLICATES, NULL);
    if (status == 0 && ret_answer)
        *ret_answer = json_incref(answer);
    if (status != 0)
        pass_on(request->ipam, answer, error);
    json_decref(answer);
    return status == 0;
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
    g_autofree char *file = find_plugin(request, path, error);
    g_autoptr(GError) cause = NULL;
    json_t *older;
    gboolean good;

    if (!file)
        return FALSE;
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
cni_ipam_is_there(const CniRequest *request, const char *path, GError **error)
{
    g_autofree char *file = find_plugin(request, path, error);

    return file != NULL;
}

gboolean
cni_ipam_call(const CniRequest *request, const char *path, const char *command, json_t **ret_answer,
              GError **error)
{
    return call_plugin(request, path, (Call){.command = command}, ret_answer, error);
}

static gboolean
is_array_of_objects(json_t *value, const char *text)
{
    json_t *item;
    gsize i;

    json_array_foreach (value, i, item) {
        if (!json_is_string(json_object_get(item, text)))
            return FALSE;
    }
    return !value || json_is_null(value) || json_is_array(value);
}

gboolean
cni_ipam_check(const CniRequest *request, json_t *answer, GError **error)
{
    json_t *dns = json_object_get(answer, "dns");
    const char *wrong = NULL;

    if (!json_is_object(answer))
        return cni_refuse(error, CNI_DECODE, "%s gave no result that can be read", request->ipam);
    if (!is_array_of_objects(json_object_get(answer, "ips"), "address"))
        wrong = "ips";
    else if (!is_array_of_objects(json_object_get(answer, "routes"), "dst"))
        wrong = "routes";
    else if (dns && !json_is_null(dns) && !json_is_object(dns))
        wrong = "dns";
    return !wrong || cni_refuse(error, CNI_DECODE, "%s gave a result whose '%s' cannot be read",
                                request->ipam, wrong);
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
