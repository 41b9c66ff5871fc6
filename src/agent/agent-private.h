/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the agent's own files, and private to them. */
#pragma once

#include "agent.h"
#include "qmp.h"

#include "macvtap.h"
#include "varlink-server.h"

#include <glib-unix.h>
#include <signal.h>

/* port-watch.c: follows the user's ports in macvtapd, across its restarts. */
typedef struct PortWatch PortWatch;

typedef struct PortWatchHandlers {
    /* The ports there are (of MacvtapPort): at first, and after the connection was lost. Borrowed,
     * but the handler may steal items, leaving NULL. */
    void (*listed)(GPtrArray *ports, gpointer user_data);
    /* A port was created or changed; it is taken. */
    void (*changed)(MacvtapPort *port, gpointer user_data);
    void (*deleted)(const MacvtapPort *port, gpointer user_data);
} PortWatchHandlers;

/* socket: NULL for the default. The handlers are called from the main loop. */
PortWatch *port_watch_new(const char *socket, const PortWatchHandlers *handlers,
                          gpointer user_data);
void port_watch_free(PortWatch *watch);

/* Tries to connect now if it has given up. */
void port_watch_try(PortWatch *watch);

typedef struct AgentPort {
    char *id;
    MacvtapPort *port;   /* as macvtapd had it last; NULL: not known yet */
    char *slave;         /* the last active one of the bond below it; NULL: none yet */
    char *netdev;        /* its backend in QEMU; NULL: not known yet, or QEMU has none of it */
    gboolean is_down;    /* the guest was told so last */
    gboolean is_unsure;  /* whether QEMU has told it, or will */
    gboolean is_moved;   /* after a failover, until it was decided whether the guest is announced */
    gboolean is_leaving; /* it is being detached */
    gboolean is_untold;  /* macvtapd does not show it to this user */
} AgentPort;

typedef struct Agent {
    GMainLoop *loop;
    const char *socket, *guest_name;
    char *folder, *name; /* where it listens */
    char *path;          /* its socket; NULL: it is not there */
    int qmp_fd;          /* qmp's */
    int signal_fd;
    sigset_t signal_set;
    GSource *signals;
    Qmp *qmp;
    VarlinkServer *server;
    PortWatch *watch;
    GPtrArray *ports;             /* of AgentPort */
    GQueue operations;            /* the first is under way */
    gboolean is_ready, is_closed; /* QEMU's monitor */
    gboolean is_ending;           /* once the first operation is over */
    gboolean is_announcing;       /* the networks are being listed for it */
} Agent;

AgentPort *agent_find_port(Agent *agent, const char *id);

/* Follows the ports in macvtapd from now on. QEMU is ready. */
void guest_links_start(Agent *agent);

/* Asks macvtapd how the port is now. One that has ended is forgotten, unless the VM was started
 * with it and macvtapd has never told of it: in a container it may be another user's. */
void guest_links_ask(Agent *agent, const AgentPort *port);

/* The port is as macvtapd says here (taken); tells the guest what that changes for it. */
void guest_links_take(Agent *agent, AgentPort *port, MacvtapPort *as);
