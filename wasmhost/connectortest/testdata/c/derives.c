// A connector that sends its credential and a value that is derived from it, in a query, in a header and in a form.
#include "connector.h"

IMPORT("derive") int host_derive(const void *p, len n);

OAUTH

static char token[1 << 10], derived[1 << 10];

EXPORT("getUserInfo") get_user_info(void) {
  read_input();
  text(input, "\"authHeader\":\"Bearer ", token, sizeof token);
  begin();
  put("{\"base64\":\"");
  put(token);
  put(":x\"}");
  if (host_derive(doc, at) < 0) return trouble(0);
  derived[host_take(derived, sizeof derived - 1)] = 0;
  begin();
  put("{\"method\":\"POST\",\"url\":\"" ME "?key=");
  put(token);
  put("\",\"headers\":{\"Content-Type\":\"application/x-www-form-urlencoded\",\"Authorization\":\"Basic ");
  put(derived);
  put("\"},\"body\":\"signed=");
  put(derived);
  put("\"}");
  len n = host_fetch(doc, at);
  n = host_take(answer, sizeof answer - 1);
  answer[n < sizeof answer ? n : 0] = 0;
  if (number_after(answer, "\"status\":") != 200) return trouble(0);
  return person("derives", 1);
}
