/* SPDX-License-Identifier: MIT */
/* The part of IGT's igt_debugfs.h that ../tests use, written anew. */
#ifndef IGT_DEBUGFS_H
#define IGT_DEBUGFS_H

const char *igt_debugfs_mount(void);
int igt_debugfs_dir(int device);

#endif
