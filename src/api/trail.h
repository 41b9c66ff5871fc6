/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The trail in the log: a line with fields (systemd.journal-fields(7), here MACVTAPD_…) for each
 * port that is granted, refused or ends, and for the daemon's start and reload. Reading leaves
 * none.
 */
#pragma once

#include "broker.h"

#include <glib.h>

/* Reference-counted, because a call that waits for a port's end may outlive the service. */
typedef struct Trail Trail;

/* Follows the broker's events until trail_close(). */
Trail *trail_new(Broker *broker);
Trail *trail_ref(Trail *trail);
void trail_unref(Trail *trail);

/* Writes pending lines. Nothing is logged afterwards; the broker may be freed. NULL is fine. */
void trail_close(Trail *trail);

/* The caller as texts for the log, which stay valid after it has gone. */
typedef struct TrailAsker {
    uid_t uid, account; /* of caller_account() */
    gboolean from_container;
    pid_t pid;
    char *command, *unit; /* "": not known */
} TrailAsker;

void trail_asker_read(const Caller *caller, TrailAsker *ret_asker);
void trail_asker_clear(TrailAsker *asker);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TrailAsker, trail_asker_clear)

/* A port that was created, and one of which n_queues more queues were opened. */
void trail_created(Trail *trail, const Caller *caller, const Port *port);
void trail_opened(Trail *trail, const Caller *caller, const Port *port, guint n_queues);

/* A capture of the port's frames was begun. */
void trail_captured(Trail *trail, const Caller *caller, const Port *port, CaptureFrames frames);

/* A refusal, its caller and its reason: verb "create" of a network, "open", "capture", "change",
 * "delete" of a port, or "reload". network and port: as the caller named them, NULL where not
 * given. */
typedef struct TrailRefusal {
    const char *verb, *network, *port, *reason;
} TrailRefusal;

void trail_refused(Trail *trail, const Caller *caller, const TrailRefusal *refusal);
void trail_refused_later(Trail *trail, const TrailAsker *asker, const TrailRefusal *refusal);

/* The trail's description of a port's end that somebody requested. */
struct PortEnder {
    TrailAsker asker;
    gboolean domain; /* the caller says that its domain has ended */
};

void trail_started(guint n_networks, guint n_ports);
/* caller: the one who asked; NULL: a signal. */
void trail_reloaded(guint n_networks, const Caller *caller);

/* A network was added, changed or removed by a reload. */
void trail_network_changed(const NetworkChange *change);
