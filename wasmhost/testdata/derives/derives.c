// Derives is a connector that sends values which are derived from its API key, and shows what else the SDK gives it.
#include "crmgate.h"

CRM_OPERATION(getAuthType) {
  out->type = CRM("apiKey");
  return CRM_OK;
}

CRM_OPERATION(getBasicAuth) {
  out->basic = crm_basic(CRM("ada"), in->api_key);
  return CRM_OK;
}

CRM_OPERATION(getUserInfo) {
  crm_text signature = crm_derive((crm_derivation){.hmac = CRM("sha256"), .key = in->api_key, .message = CRM("GET /me"), .encoding = CRM("hex")});
  unsigned char dice[8] = {0};
  crm_random(dice, sizeof dice);
  if (!*(long long *)dice || crm_now() < 1700000000000) return crm_fail(CRM("there is no time or chance"));
  crm_log(CRM_WARN, CRM_CAT(CRM("level "), crm_config_or(CRM("DERIVES_LEVEL"), CRM("one")), crm_config_or(CRM("DERIVES_SECRET"), CRM(" unset"))));
  crm_response r = crm_fetch((crm_request){
    .method = CRM("POST"), .url = CRM_CAT(CRM("https://crm.example/me?q="), crm_percent(CRM("a b/é"))),
    .headers = CRM_PAIRS({CRM("X-Signature"), signature.size ? signature : CRM("none")}), .body = CRM("\xff\x00\x01"),
  });
  if (r.status != 200) return crm_fail_for(r);
  crm_platform_user_info *person = crm_alloc(sizeof *person);
  person->id = crm_base64(r.body);
  person->name = crm_pair_of(r.headers, CRM("x-name"));
  out->platform_user_info = person;
  out->successful = CRM_YES;
  return CRM_OK;
}
