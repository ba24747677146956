// Makes a URL from the host name of the input, which can be empty.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  static const char me[] = "{\"method\":\"GET\",\"url\":\"https:///api/me\"}";
  host_fetch(me, size(me));
  return say(1, "{\"message\":\"The CRM did not answer.\"}");
}
