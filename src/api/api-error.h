/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "port-error.h"
#include "varlink-server.h"

/* The qualified name of the error that stands for code: the one table of the project. */
const char *api_error_name(PortError code);

/* Answers call with the error's name and its message. */
void api_error_send(VarlinkCall *call, const GError *error);

/* The interface's Failure: what the request for this port alone would have got. */
json_t *api_error_to_json(const char *port, const GError *error);
