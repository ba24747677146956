// See main.go. This one keeps the header in a static variable and in memory from the allocator.
#include <stdlib.h>
#include <string.h>

#include "../../connectortest/testdata/c/connector.h"

static char previous[256] = "none";
static char *kept;

EXPORT("getAuthType") get_auth_type(void) { return say(0, "{\"type\":\"oauth\"}"); }
EXPORT("getOauthInfo") get_oauth_info(void) { return 2; }

EXPORT("getUserInfo") get_user_info(void) {
  static char header[256];
  read_input();
  text(input, "\"authHeader\":\"", header, sizeof header);
  begin();
  put("{\"successful\":true,\"platformUserInfo\":{\"id\":\"");
  put(kept ? kept : previous);
  put("\"}}");
  strcpy(previous, header);
  kept = malloc(1 << 20);
  strcpy(kept, header);
  return reply(0);
}
