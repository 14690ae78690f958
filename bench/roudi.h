/* SPDX-License-Identifier: MIT */
/*
 * iceoryx's daemon: started with the first queue that wants it, ended with this program,
 * however that ends.
 */
#ifndef SHMQ_BENCH_ROUDI_H
#define SHMQ_BENCH_ROUDI_H

#ifdef __cplusplus
extern "C" {
#endif

/** What a process calls itself there, by its number: a printf() format. */
#define ROUDI_PARTY "shmq-bench-%u"

/** In the parent: 0 when it runs, -ENOTSUP with the reason in bench_why() when it does not. */
int roudi_start(void);

#ifdef __cplusplus
}
#endif

#endif
