/* SPDX-License-Identifier: MIT */
/* Stands in for IGT's igt.h: see README.md. */
#ifndef IGT_H
#define IGT_H

#include "igt_core.h"
#include "igt_debugfs.h"
#include "ioctl_wrappers.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif
