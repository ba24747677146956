// Answers with a member in another spelling, and fetches over http.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  static const char home[] = "{\"method\":\"GET\",\"url\":\"http://api.example/me\"}";
  host_fetch(home, size(home));
  int status = ask(ME);
  int id = number_after(answer, "\\\"id\\\":");
  if (status == 401) return refused();
  if (status != 200 || !id || !after(answer, "\\\"email\\\":")) return trouble(status);
  return say(0, "{\"successful\":true,\"platformUserinfo\":{\"id\":\"7-misspelt\",\"name\":\"Ada\"}}");
}
