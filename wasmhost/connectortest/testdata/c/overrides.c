// A connector that says most in its answers: its own client id and client authentication, the host that it corrects, and a
// token request without Authorization that repeats the callback's state.
#include "connector.h"

EXPORT("getAuthType") get_auth_type(void) { return say(0, "{\"type\":\"oauth\"}"); }

// put_config adds a configuration value to doc, or a default.
static void put_config(const char *name, const char *otherwise) {
  int n = host_config(name, size(name));
  if (n < 0) return put(otherwise);
  host_take(answer, sizeof answer - 1);
  answer[n] = 0;
  put(answer);
}

EXPORT("getOauthInfo") get_oauth_info(void) {
  begin();
  put("{\"clientId\":\"overrides-client\",\"clientSecret\":\"overrides-secret\",\"hostname\":\"eu.crm.example\",\"accessTokenUri\":\"");
  put_config("OVERRIDES_URL", "http://127.0.0.1:8081");
  put("/token\",\"tokenEndpointAuthMethod\":\"");
  put_config("OVERRIDES_METHOD", "client_secret_basic");
  put("\"}");
  return reply(0);
}

EXPORT("getOverridingOAuthOption") option(void) {
  char state[512];
  read_input();
  text(input, "\"state\":\"", state, sizeof state);
  begin();
  put("{\"headers\":{\"Authorization\":\"\",\"X-State\":\"");
  put(state);
  put("\"}}");
  return reply(0);
}

// getUserInfo answers with what it got, as the name of its only person.
EXPORT("getUserInfo") get_user_info(void) {
  char host[256], url[256];
  read_input();
  text(input, "\"hostname\":\"", host, sizeof host);
  text(input, "\"tokenUrl\":\"", url, sizeof url);
  begin();
  put("{\"successful\":true,\"platformUserInfo\":{\"id\":\"7-overrides\",\"name\":\"");
  put(host);
  put(" ");
  put(url);
  put("\"}}");
  return reply(0);
}
