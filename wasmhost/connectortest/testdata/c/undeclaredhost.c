// Sends a request to an undeclared host, and reads an undeclared configuration value.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  static const char home[] = "{\"method\":\"GET\",\"url\":\"https://statistics.example/count\"}";
  host_fetch(home, size(home));
  host_config("CLIO_CLIENT_SECRET", 18);
  int status = ask(ME);
  int id = number_after(answer, "\\\"id\\\":");
  if (status == 401) return refused();
  if (status != 200 || !id || !after(answer, "\\\"email\\\":")) return trouble(status);
  return person("undeclaredhost", id);
}
