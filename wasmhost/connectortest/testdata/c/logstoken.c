// Logs the access token.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  int status = ask(ME);
  int id = number_after(answer, "\\\"id\\\":");
  host_log(0, auth, size(auth));
  if (status == 401) return refused();
  if (status != 200 || !id || !after(answer, "\\\"email\\\":")) return trouble(status);
  return person("logstoken", id);
}
