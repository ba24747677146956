// A connector in C that uses wasi-libc. Its getUserInfo answers with what it finds out about the machine.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "connector.h"

OAUTH

#define LONG (1 << 20)

extern char **environ;

static long long nanoseconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

EXPORT("getUserInfo") get_user_info(void) {
  printf("It goes to a terminal, line by line:\n");
  printf("printed\n");
  fprintf(stderr, "warned\n");

  long long before = nanoseconds(CLOCK_MONOTONIC);
  struct timespec nap = {0, 10000000};
  nanosleep(&nap, NULL);
  int slept = (nanoseconds(CLOCK_MONOTONIC) - before) / 1000000;

  before = nanoseconds(CLOCK_REALTIME);
  struct timespec until = {before / 1000000000, before % 1000000000};
  until.tv_nsec += 10000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
  int until_slept = (nanoseconds(CLOCK_REALTIME) - before) / 1000000;

  struct pollfd in = {STDIN_FILENO, POLLIN, 0};
  int ready = poll(&in, 1, 3600000) == 1 && in.revents == POLLIN && getchar() == EOF;

  unsigned random[2];
  getentropy(random, sizeof random);

  // More than the host writes in one call.
  char *line = malloc(LONG);
  for (int i = 0; i < LONG; i++) line[i] = 'x';
  int wrote = fwrite(line, 1, LONG, stdout) == LONG && fflush(stdout) == 0;
  free(line);

  int variables = 0;
  while (environ && environ[variables]) variables++;
  at = snprintf(doc, sizeof doc,
    "{\"successful\":true,\"platformUserInfo\":{\"id\":\"1\",\"platformAdditionalInfo\":{\"seconds\":%lld,\"slept\":[%d,%d],"
    "\"random\":[\"%u\",\"%u\"],\"variables\":%d,\"home\":%d,\"file\":%d,\"ready\":%d,\"wrote\":%d}}}",
    (long long)time(NULL), slept, until_slept, random[0], random[1], variables, getenv("HOME") != NULL,
    fopen("/etc/hosts", "r") != NULL, ready, wrote);
  return reply(0);
}

EXPORT("authValidation") auth_validation(void) {
  fprintf(stderr, "on purpose\n");
  exit(3);
}
