#include "crmgate.h"

CRM_OPERATION(getAuthType) {
  out->type = CRM("oauth");
  return CRM_OK;
}

CRM_OPERATION(getOauthInfo) {
  out->client_id = crm_config(CRM("ACME_CLIENT_ID"));
  out->client_secret = crm_config(CRM("ACME_CLIENT_SECRET"));
  out->access_token_uri = CRM("https://api.acme.example/oauth/token");
  return CRM_OK;
}

CRM_OPERATION(getUserInfo) {
  crm_json *me;
  crm_response r = crm_fetch_json(CRM("https://api.acme.example/me"), in->auth_header, &me);
  if (r.status == 401) {
    out->successful = CRM_NO;
    out->return_message = crm_message(CRM("warning"), CRM("Acme did not accept the sign-in. Connect again."), 5000);
    return CRM_OK;
  }
  if (!me) return crm_fail_for(r);
  crm_text id = crm_scalar(crm_get(me, "id"));
  if (!id.size) return crm_fail(CRM("the CRM did not say who the person is"));
  const crm_json *timezone = crm_get(me, "timezone");
  crm_platform_user_info *person = crm_alloc(sizeof *person);
  person->id = CRM_CAT(id, CRM("-acme"));
  person->name = crm_string(crm_get(me, "name"));
  person->timezone_name = crm_string(crm_get(timezone, "name"));
  person->timezone_offset = crm_get(timezone, "offset");
  person->platform_additional_info = crm_set(crm_object(), "email", crm_of_text(crm_string(crm_get(me, "email"))));
  out->successful = CRM_YES;
  out->platform_user_info = person;
  out->return_message = crm_message(CRM("success"), CRM("Connected to Acme."), 3000);
  return CRM_OK;
}
