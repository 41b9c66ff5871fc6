/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The journal's socket is opened when the first line is logged. */
const Privileges log_privileges = {
    .part = "log",
    .system_calls = SYSTEM_CALLS({"write"}, {"socket", 1, AF_UNIX}, {"sendmsg"}),
};

typedef enum LogForm {
    LOG_PLAIN,
    LOG_WITH_PRIORITY,
    LOG_JOURNAL,
} LogForm;

static LogForm form;

/* Whether stderr is the stream in $JOURNAL_STREAM (systemd.exec(5)). */
static gboolean
is_stream_of_journal(void)
{
    const char *text = g_getenv("JOURNAL_STREAM");
    guint64 device, inode;
    struct stat status;

    return text && sscanf(text, "%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static const char *
find_field(const GLogField *fields, gsize n_fields, const char *key)
{
    for (gsize i = 0; i < n_fields; i++) {
        if (g_str_equal(fields[i].key, key))
            return fields[i].value;
    }
    return NULL;
}

static void
print(GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
    gboolean problem = level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
    const char *message = find_field(fields, n_fields, "MESSAGE");
    const char *priority = find_field(fields, n_fields, "PRIORITY");
    g_autofree char *prefix =
        form != LOG_PLAIN && priority ? g_strdup_printf("<%s>", priority) : g_strdup("");

    g_printerr("%smacvtapd: %s%s\n", prefix, problem ? "warning: " : "", message ? message : "");
}

/* The journal knows the process, but not the name to show. */
static gboolean
send_to_journal(GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
    g_autofree GLogField *all = g_new(GLogField, n_fields + 1);

    memcpy(all, fields, n_fields * sizeof(GLogField));
    all[n_fields] = (GLogField){.key = "SYSLOG_IDENTIFIER", .value = "macvtapd", .length = -1};
    return g_log_writer_journald(level, all, n_fields + 1, NULL) == G_LOG_WRITER_HANDLED;
}

/* GLogWriterFunc */
static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
    if (level & G_LOG_LEVEL_DEBUG)
        return G_LOG_WRITER_HANDLED;
    if (form != LOG_JOURNAL || !send_to_journal(level, fields, n_fields))
        print(level, fields, n_fields);
    return G_LOG_WRITER_HANDLED;
}

void
log_start(void)
{
    form = g_log_writer_is_journald(STDERR_FILENO) ? LOG_JOURNAL
           : is_stream_of_journal()                ? LOG_WITH_PRIORITY
                                                   : LOG_PLAIN;
    g_log_set_writer_func(write_log, NULL, NULL);
}

void
log_failure(const char *message)
{
    const GLogField fields[] = {{"MESSAGE", message, -1}, {"PRIORITY", "3", -1}};

    write_log(G_LOG_LEVEL_MESSAGE, fields, G_N_ELEMENTS(fields), NULL);
}
