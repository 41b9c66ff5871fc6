/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.varlink.certification (varlink.org/Certification): a client calls Start, Test01 … Test11, End
 * in order; the result of each call is the parameters of the next, with the client's id added.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

#define CERTIFICATION "org.varlink.certification"
#define CERTIFICATION_REPLIES 10 /* of Test10, which is called with "more" */

extern const char certification_description[];

/* One call; ended by a NULL method. */
typedef struct CertificationStep {
    const char *method;     /* within the interface */
    const char *parameters; /* JSON: what the client must send, without client_id */
    const char *reply; /* JSON: what the service must answer; NULL: see Test10, Test11, Start */
    gboolean more, oneway;
} CertificationStep;

extern const CertificationStep certification_steps[];

/* Whether both say the same: 1 is 1.0, null is the same as missing. */
gboolean certification_equal(const json_t *left, const json_t *right);

/* json_loads() of text that is known to be good. */
json_t *certification_parse(const char *text);
