/* SPDX-License-Identifier: MIT */
/*
 * Messages that know what they should be: the sequence number decides length and every byte, and
 * long ones say sequence, length and checksum first, so that loss, repetition, disorder and tearing
 * can be told apart.
 */
#ifndef TESTS_SUPPORT_MESSAGE_H
#define TESTS_SUPPORT_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/* The length of message `sequence` where `max` is the longest: 0 and max often, the rest evenly. */
size_t message_length(uint64_t sequence, size_t max);
/* Write message `sequence`, `length` bytes. */
void message_fill(void *out, uint64_t sequence, size_t length);
/* Check message `sequence`, which must be what message_fill() wrote for message_length(). */
void message_check(const void *bytes, size_t length, uint64_t sequence, size_t max);

#endif
