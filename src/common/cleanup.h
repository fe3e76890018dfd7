/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/*
 * Scoped cleanup: CLEANUP(free) char *text = …; runs when the variable leaves its scope.
 * TAKE(pointer) hands ownership on and leaves NULL behind.
 */
static inline void cleanup_free(void *pointer) { free(*(void **)pointer); }
static inline void cleanup_close(const int *fd) { if (*fd >= 0) (void)close(*fd); }
static inline void cleanup_fclose(FILE **file) { if (*file) (void)fclose(*file); }

#define CLEANUP(function) __attribute__((cleanup(cleanup_##function)))
#define TAKE(pointer) ({ __auto_type taken_ = (pointer); (pointer) = NULL; taken_; })
#define TAKE_FD(fd) ({ int taken_ = (fd); (fd) = -1; taken_; })
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Defines cleanup_NAME for a type whose free function accepts NULL. */
#define DEFINE_CLEANUP(name, type, free_function) \
	static inline void cleanup_##name(type *pointer) { if (*pointer) free_function(*pointer); }
