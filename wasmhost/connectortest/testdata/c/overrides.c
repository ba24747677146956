// A connector that says most in its answers: its own client id and client authentication, the host that it corrects, and a
// token request without Authorization that repeats the callback's state.
#include "crmgate.h"

CRM_OPERATION(getAuthType) {
  out->type = CRM("oauth");
  return CRM_OK;
}

CRM_OPERATION(getOauthInfo) {
  out->client_id = CRM("overrides-client");
  out->client_secret = CRM("overrides-secret");
  out->hostname = CRM("eu.crm.example");
  out->access_token_uri = CRM_CAT(crm_config_or(CRM("OVERRIDES_URL"), CRM("http://127.0.0.1:8081")), CRM("/token"));
  out->token_endpoint_auth_method = crm_config_or(CRM("OVERRIDES_METHOD"), CRM("client_secret_basic"));
  return CRM_OK;
}

CRM_OPERATION(getOverridingOAuthOption) {
  out->headers = CRM_PAIRS({CRM("Authorization"), CRM("")}, {CRM("X-State"), in->state});
  return CRM_OK;
}

// getUserInfo answers with what it got, as the name of its only person.
CRM_OPERATION(getUserInfo) {
  static crm_platform_user_info person = {.id = CRM("7-overrides")};
  person.name = CRM_CAT(in->hostname, CRM(" "), in->token_url);
  out->platform_user_info = &person;
  out->successful = CRM_YES;
  return CRM_OK;
}
