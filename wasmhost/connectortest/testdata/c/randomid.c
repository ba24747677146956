// Makes random ids.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  int status = ask(ME);
  unsigned short id;
  host_random(&id, sizeof id);
  if (status == 401) return refused();
  if (status != 200 || !after(answer, "\\\"email\\\":")) return trouble(status);
  return person("randomid", id);
}
