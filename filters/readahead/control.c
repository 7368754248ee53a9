/* SPDX-License-Identifier: BSD-3-Clause */

/* What the source is like: how slow, how parallel, what for. */

#include <config.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "v2v-utils.h"

#include "engine.h"

int64_t
ra_now_ns (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

long
ra_voluntary_switches (void)
{
  struct rusage ru;

  if (getrusage (RUSAGE_THREAD, &ru) == -1)
    return 0;
  return ru.ru_nvcsw;
}

void
ra_message (struct readahead *ra, char level, const char *fs, ...)
{
  char buf[256];
  va_list args;

  if (ra->opts.log == NULL)
    return;
  va_start (args, fs);
  vsnprintf (buf, sizeof buf, fs, args);
  va_end (args);
  ra->opts.log (ra->opaque, level, buf);
}

/* A request of COUNT bytes took NS; the thread slept meanwhile or not.
 * Follows decreases as fast as increases, so that one slow answer of a
 * fast source is soon forgotten.
 */
void
ra_observe (struct readahead *ra, int64_t ns, uint64_t count, bool slept)
{
  int64_t x = slept ? ns - (int64_t)count : 0;

  if (x < 0)
    x = 0;
  ra->slow_ns += (x - ra->slow_ns) / 4;
}

static bool
in_trial (const struct readahead *ra)
{
  return ra->opts.prove_ns > 0 && ra->trial.state != TRIAL_KEEP;
}

/* End of a fetch: has the number of lanes proved itself? */
void
ra_control_concurrency (struct readahead *ra, uint64_t bytes, int64_t now)
{
  unsigned needed = V2V_MAX (4, 3 * ra->conc);
  uint64_t rate;
  int64_t ns;

  if (ra->period_fetches == 0)
    ra->period_ns = now; /* the first one only starts the clock */
  else
    ra->period_bytes += bytes;
  ra->period_fetches++;
  ns = now - ra->period_ns;
  if (ra->period_fetches <= needed || ns <= 0)
    return;

  rate = (uint64_t)((double)ra->period_bytes * NS_PER_S / ns);
  if (!ra->period_late)
    ; /* clients are slower than we are */
  else if (ra->conc_probing) {
    ra->conc_probing = false;
    if (rate < ra->base_rate + ra->base_rate / 10) {
      ra->conc = ra->conc_before;
      ra->conc_linear = true;
      ra->conc_hold = 16;
    }
  }
  else if (ra->conc_hold > 0)
    ra->conc_hold--;
  if (ra->period_late && !ra->conc_probing && ra->conc_hold == 0 &&
      ra->conc < ra->opts.connections && !in_trial (ra)) {
    ra->base_rate = rate;
    ra->conc_before = ra->conc;
    ra->conc = V2V_MIN (ra->opts.connections,
                        ra->conc_linear ? ra->conc + 1 : ra->conc * 2);
    ra->conc_probing = true;
  }
  ra_message (ra, 'd',
              "%u fetches at a time, %" PRIu64 " KiB/s, latency %d us,"
              " clients %s",
              ra->conc, rate / 1024, (int)(ra->latency_ns / 1000),
              ra->period_late ? "waited" : "did not wait");
  ra->period_fetches = 0;
  ra->period_bytes = 0;
  ra->period_late = false;
}

/* Where clients can open as many connections as we, and the source costs
 * CPU time rather than latency (a loopback sshd), readahead only adds
 * work.  So clients first read for prove_ns without it, then with one
 * lane; unless that is a tenth faster, it rests for a gibibyte (twice as
 * much each time).  A lane is opened in its first fetch, which is not
 * part of the measurement.  A pause of the client begins it anew.
 */
#define TRIAL_READS 8
#define TRIAL_WITH_NS (NS_PER_S / 10)
#define TRIAL_OFF_BYTES (UINT64_C (1) << 30)

static void
trial_state (struct trial *t, int state, int64_t now)
{
  t->state = state;
  t->reads = 0;
  t->bytes = 0;
  t->start_ns = now;
}

bool
ra_trial (struct readahead *ra, uint64_t count, int64_t now)
{
  struct trial *t = &ra->trial;
  const int64_t ns = now - t->start_ns;
  uint64_t rate;

  if (!in_trial (ra))
    return true;
  if (now - t->last_ns > IDLE_NS && t->state != TRIAL_OFF)
    trial_state (t, TRIAL_WITHOUT, now);
  t->last_ns = now;
  t->reads++;
  t->bytes += count;
  rate = ns > 0 ? (uint64_t)((double)t->bytes * NS_PER_S / ns) : 0;

  switch (t->state) {
  case TRIAL_WITHOUT:
    if (t->reads > TRIAL_READS && ns >= ra->opts.prove_ns) {
      t->without = rate;
      t->fetches = ra->stats.fetches;
      trial_state (t, TRIAL_WARM_UP, now);
    }
    break;

  case TRIAL_WARM_UP:
    if (ra->stats.fetches >= t->fetches + 2)
      trial_state (t, TRIAL_WITH, now);
    break;

  case TRIAL_WITH:
    if (t->reads <= TRIAL_READS || ns < TRIAL_WITH_NS)
      break;
    ra_message (ra, 'd',
                "%" PRIu64 " KiB/s with readahead, %" PRIu64 " without",
                rate / 1024, t->without / 1024);
    if (rate >= t->without + t->without / 10)
      trial_state (t, TRIAL_KEEP, now);
    else {
      t->off_bytes = V2V_MAX (TRIAL_OFF_BYTES, 2 * t->off_bytes);
      trial_state (t, TRIAL_OFF, now);
    }
    break;

  case TRIAL_OFF:
    if (t->bytes >= t->off_bytes)
      trial_state (t, TRIAL_WITHOUT, now);
    break;

  case TRIAL_KEEP:
    break;
  }
  return t->state != TRIAL_WITHOUT && t->state != TRIAL_OFF;
}

void
ra_trial_again (struct readahead *ra)
{
  struct trial *t = &ra->trial;

  t->fetches = ra->stats.fetches;
  if (t->state == TRIAL_WITH)
    t->state = TRIAL_WARM_UP;
}

void
ra_account_waste (struct readahead *ra, uint64_t fetched, uint64_t wasted)
{
  size_t i;

  ra->stats.wasted_bytes += wasted;
  ra->recent_fetched += fetched;
  ra->recent_wasted += wasted;
  if (ra->recent_wasted > (1 << 20) &&
      ra->recent_wasted > ra->recent_fetched / 8) {
    if (ra->caution < 5)
      ra->caution++;
    for (i = 0; i < STREAMS_MAX; ++i)
      ra->streams.s[i].window /= 2;
    ra->recent_fetched = ra->recent_wasted = 0;
  }
  else if (ra->recent_fetched > (32 << 20)) {
    if (ra->caution > 0 && ra->recent_wasted < ra->recent_fetched / 16)
      ra->caution--;
    ra->recent_fetched /= 2;
    ra->recent_wasted /= 2;
  }
}
