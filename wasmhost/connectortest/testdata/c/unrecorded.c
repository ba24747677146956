// Answers with a member in another spelling. Its CRM is not the practice CRM, and there are no vectors.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  int status = ask("https://api.crm.example/me");
  int id = number_after(answer, "\\\"id\\\":");
  if (status == 401) return refused();
  if (status != 200 || !id || !after(answer, "\\\"email\\\":")) return trouble(status);
  return say(0, "{\"successful\":true,\"platformUserInfo\":{\"ID\":\"7-unrecorded\",\"name\":\"Ada\"}}");
}
