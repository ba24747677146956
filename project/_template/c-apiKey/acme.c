// The connector of Acme. Each operation is one that crmgate calls. ABI.md of crmgate says what each of them gets and answers. Replace the
// addresses and the members of the answers with those of your CRM.

#include "sdk/crmgate.h"

static crm_text address(crm_text path) {
  return CRM_CAT(crm_config_or(CRM("ACME_URL"), CRM("http://127.0.0.1:8081")), path);
}

CRM_OPERATION(getAuthType) {
  out->type = CRM("apiKey");
  return CRM_OK;
}

// How the key is sent: here as the user name of Basic, without a password. auth_header is what this makes of it.
CRM_OPERATION(getBasicAuth) {
  out->basic = crm_basic(in->api_key, CRM(""));
  return CRM_OK;
}

// Who has signed in?
CRM_OPERATION(getUserInfo) {
  crm_json *me;
  crm_response r = crm_fetch_json(address(CRM("/api/me")), in->auth_header, &me);
  if (r.status == 401) {
    out->successful = CRM_NO;
    out->return_message = crm_message(CRM("warning"), CRM("Acme did not accept the API key. Check it, and try again."), 0);
    return CRM_OK;
  }
  if (!me) return crm_fail_for(r);
  crm_text id = crm_scalar(crm_get(me, "id"));
  if (!id.size) return crm_fail(CRM("Acme did not say who has signed in"));
  crm_platform_user_info *person = crm_alloc(sizeof *person);
  person->id = CRM_CAT(id, CRM("-acme"));
  person->name = crm_string(crm_get(me, "name"));
  out->successful = CRM_YES;
  out->platform_user_info = person;
  return CRM_OK;
}
