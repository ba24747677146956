// A connector that sends its credential and a value that is derived from it, in a query, in a header and in a form.
#include "crmgate.h"

CRM_OPERATION(getAuthType) {
  out->type = CRM("oauth");
  return CRM_OK;
}

CRM_OPERATION(getOauthInfo) {
  out->access_token_uri = CRM("http://127.0.0.1:8081/oauth/token");
  return CRM_OK;
}

CRM_OPERATION(getUserInfo) {
  const unsigned scheme = sizeof "Bearer " - 1;
  crm_text token = {in->auth_header.at + scheme, in->auth_header.size - scheme};
  crm_text derived = crm_derive((crm_derivation){.base64 = CRM_CAT(token, CRM(":x"))});
  crm_response r = crm_fetch((crm_request){
    .method = CRM("POST"), .url = CRM_CAT(CRM("http://127.0.0.1:8081/api/me?key="), token), .body = CRM_CAT(CRM("signed="), derived),
    .headers = CRM_PAIRS({CRM("Content-Type"), CRM("application/x-www-form-urlencoded")}, {CRM("Authorization"), CRM_CAT(CRM("Basic "), derived)}),
  });
  if (r.status != 200) return crm_fail_for(r);
  static crm_platform_user_info person = {.id = CRM("1-derives")};
  person.name = crm_string(crm_get(crm_parse(r.body), "name"));
  out->platform_user_info = &person;
  out->successful = CRM_YES;
  return CRM_OK;
}
