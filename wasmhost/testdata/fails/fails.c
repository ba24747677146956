// A connector that fails. Its authValidation requests a page with the credential, logs what it sees of the world, and traps in parse_name.
// Its getLicenseStatus answers an error with what it sees. Its refreshUserInfo does not end.
#include "../../connectortest/testdata/c/connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) { return 2; }

static unsigned char dice[8];

// see describes the world in doc.
static void see(void) {
  host_random(dice, sizeof dice);
  begin();
  put("at ");
  put_number(host_now());
  for (len i = 0; i < sizeof dice; i++) {
    put(" ");
    put_number(dice[i]);
  }
}

__attribute__((noinline)) static int parse_name(const char *s) {
  if (!after(s, "\\\"name\\\":")) __builtin_trap();
  return 0;
}

EXPORT("authValidation") auth_validation(void) {
  static const char name[] = "FAILS_SECRET";
  char value[100];
  host_config(name, sizeof name - 1);
  len n = host_take(value, sizeof value);
  host_log(1, value, n);
  ask("https://fails.example/me");
  see();
  host_log(1, doc, at);
  return parse_name(answer);
}

EXPORT("getLicenseStatus") get_license_status(void) {
  see();
  char seen[400];
  len i = 0;
  for (; i <= at; i++) seen[i] = doc[i];
  begin();
  put("{\"message\":\"");
  put(seen);
  put("\"}");
  return reply(1);
}

EXPORT("refreshUserInfo") refresh_user_info(void) {
  for (volatile int i = 0;; i++) {}
}
