/* SPDX-License-Identifier: MIT */
/* The part of IGT's igt_kmod.h that ../tests use, written anew. */
#ifndef IGT_KMOD_H
#define IGT_KMOD_H

int igt_kmod_load(const char *mod_name, const char *opts);

#endif
