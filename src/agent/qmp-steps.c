/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The undo of a step goes on a stack before its command is sent. After a failure the stack is
 * worked off, the last first, and what fails there is ignored: the undo of a command that QEMU has
 * not carried out must fail.
 */
#include "qmp-steps.h"

#include "descriptor.h"
#include "source.h"

#include <string.h>

/* QEMU answers these at once. If it does not, an undo of many commands must still end. */
#define UNDO_DEADLINE 5000

typedef struct Step {
    char *command; /* NULL: unplug path */
    json_t *arguments;
    int fd;
    char *path;
    guint deadline;
    struct Step *undo;
} Step;

struct QmpSteps {
    Qmp *qmp;
    GQueue steps, undo; /* of Step */
    Step *last;         /* added */
    Step *current;
    GSource *timer;   /* while a device is to go */
    gboolean is_gone; /* before QEMU has accepted the request */
    GError *failure;
    QmpStepsDone done;
    gpointer user_data;
};

static void next_step(QmpSteps *steps);
static void on_event(const char *name, json_t *data, gpointer user_data);

static Step *
step_new(const char *command, json_t *arguments, int fd, const char *path, guint deadline)
{
    Step *step = g_new(Step, 1);

    *step = (Step){g_strdup(command), arguments, fd, g_strdup(path), deadline, NULL};
    return step;
}

static void
step_free(Step *step)
{
    if (!step)
        return;
    step_free(step->undo);
    g_free(step->command);
    g_free(step->path);
    json_decref(step->arguments);
    descriptor_clear(&step->fd);
    g_free(step);
}

QmpSteps *
qmp_steps_new(Qmp *qmp)
{
    QmpSteps *steps = g_new0(QmpSteps, 1);

    steps->qmp = qmp;
    return steps;
}

static void
add(QmpSteps *steps, Step *step)
{
    g_queue_push_tail(&steps->steps, step);
    steps->last = step;
}

void
qmp_steps_add(QmpSteps *steps, const char *command, json_t *arguments, int fd)
{
    add(steps, step_new(command, arguments, fd, NULL, QMP_DEADLINE));
}

void
qmp_steps_add_unplug(QmpSteps *steps, const char *path, guint deadline)
{
    add(steps, step_new(NULL, NULL, -1, path, deadline));
}

void
qmp_steps_undo(QmpSteps *steps, const char *command, json_t *arguments)
{
    steps->last->undo = step_new(command, arguments, -1, NULL, UNDO_DEADLINE);
}

void
qmp_steps_undo_by_unplug(QmpSteps *steps, const char *path, guint deadline)
{
    steps->last->undo = step_new(NULL, NULL, -1, path, deadline);
}

static void
finish(QmpSteps *steps)
{
    qmp_unlisten(steps->qmp, on_event, steps);
    steps->done(steps->failure, steps->user_data);
    g_queue_clear_full(&steps->steps, (GDestroyNotify)step_free);
    g_queue_clear_full(&steps->undo, (GDestroyNotify)step_free);
    g_clear_error(&steps->failure);
    g_free(steps);
}

/* The current step is over. */
static void
conclude(QmpSteps *steps, const GError *error)
{
    source_clear(&steps->timer);
    if (error && !steps->failure)
        steps->failure = g_error_copy(error);
    g_clear_pointer(&steps->current, step_free);
    next_step(steps);
}

static gboolean
on_too_late(gpointer user_data)
{
    QmpSteps *steps = user_data;
    g_autoptr(GError) error = g_error_new_literal(
        QMP_ERROR, QMP_ERROR_TIMED_OUT,
        "the guest has not released the device: it must be running, with a driver for hot-plug");

    conclude(steps, error);
    return G_SOURCE_REMOVE;
}

/* QEMU tells so of a device whose removal it has asked the guest for before. */
static gboolean
is_leaving(const GError *error)
{
    return error->code == QMP_ERROR_REFUSED && strstr(error->message, "already in the process");
}

static void
on_unplug_requested(json_t *value, const GError *error, gpointer user_data)
{
    QmpSteps *steps = user_data;

    if (error && !is_leaving(error))
        conclude(steps, error);
    else if (steps->is_gone)
        conclude(steps, NULL);
    else
        steps->timer =
            source_add_timeout(steps->current->deadline, on_too_late, steps, "QMP unplug");
}

static void
on_event(const char *name, json_t *data, gpointer user_data)
{
    QmpSteps *steps = user_data;
    const char *path = json_string_value(json_object_get(data, "path"));
    g_autoptr(GError) error = NULL;

    /* A command that is under way fails by itself; a device that is to go gives no sign. */
    if (!name && steps->timer)
        conclude(steps, qmp_get_failure(steps->qmp));
    if (!name || !steps->current || !steps->current->path ||
        g_strcmp0(path, steps->current->path) != 0)
        return;
    if (g_str_equal(name, "DEVICE_DELETED")) {
        steps->is_gone = TRUE;
    } else if (g_str_equal(name, "DEVICE_UNPLUG_GUEST_ERROR") && steps->timer) {
        error = g_error_new_literal(QMP_ERROR, QMP_ERROR_REFUSED,
                                    "the guest refuses to release the device");
    } else {
        return;
    }
    if (steps->timer)
        conclude(steps, error);
}

static void
on_answer(json_t *value, const GError *error, gpointer user_data)
{
    conclude(user_data, error);
}

static void
next_step(QmpSteps *steps)
{
    Step *step = g_queue_pop_head(steps->failure ? &steps->undo : &steps->steps);

    if (!step) {
        finish(steps);
        return;
    }
    steps->current = step;
    if (step->undo)
        g_queue_push_head(&steps->undo, g_steal_pointer(&step->undo));
    steps->is_gone = FALSE;
    if (step->path)
        qmp_call(steps->qmp, "device_del", json_pack("{s:s}", "id", step->path), -1, QMP_DEADLINE,
                 on_unplug_requested, steps);
    else
        qmp_call(steps->qmp, step->command, g_steal_pointer(&step->arguments),
                 g_steal_fd(&step->fd), step->deadline, on_answer, steps);
}

void
qmp_steps_run(QmpSteps *steps, QmpStepsDone done, gpointer user_data)
{
    steps->done = done;
    steps->user_data = user_data;
    qmp_listen(steps->qmp, on_event, steps);
    next_step(steps);
}
