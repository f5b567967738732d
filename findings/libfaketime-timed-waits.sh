#!/usr/bin/env bash
# libfaketime 3.0.1 (PyPI, Linux x86-64): guess: with FAKETIME_DONT_FAKE_MONOTONIC=1 a timed wait by the monotonic clock
# (pthread_cond_timedwait on a condition of CLOCK_MONOTONIC) takes as long as ever.
# Seen: it ends at once, unless FAKETIME_FORCE_MONOTONIC_FIX=0 is set too.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet libfaketime==3.0.1
library=$(find "$folder" -name libfaketime.so.1)
cat > "$folder/wait.c" <<'C'
#include <pthread.h>
#include <stdio.h>
#include <time.h>
int main(void) {
  pthread_condattr_t attr; pthread_cond_t cond; pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_condattr_init(&attr); pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); pthread_cond_init(&cond, &attr);
  struct timespec until; clock_gettime(CLOCK_MONOTONIC, &until); long begun = until.tv_sec * 1000 + until.tv_nsec / 1000000;
  until.tv_sec += 2;
  pthread_mutex_lock(&mutex); pthread_cond_timedwait(&cond, &mutex, &until);
  clock_gettime(CLOCK_MONOTONIC, &until);
  printf("%ld\n", until.tv_sec * 1000 + until.tv_nsec / 1000000 - begun);
}
C
cc -pthread -o "$folder/wait" "$folder/wait.c"
shifted() { env LD_PRELOAD="$library" FAKETIME=+86400 FAKETIME_DONT_FAKE_MONOTONIC=1 "$@" "$folder/wait"; }
plain=$("$folder/wait"); alone=$(shifted env); mended=$(shifted env FAKETIME_FORCE_MONOTONIC_FIX=0)
echo "a wait of 2000 ms took: as it is $plain ms, shifted $alone ms, shifted with FAKETIME_FORCE_MONOTONIC_FIX=0 $mended ms"
[ "$plain" -ge 1990 ] && [ "$alone" -lt 500 ] && [ "$mended" -ge 1990 ]
