// Relay is what main.go is, on the SDK for C: every document goes through the SDK's types, in both directions.
#include "crmgate.h"

static int relay(crm_text operation, const crm_document *request, const void *in, const crm_document *answer, void *out) {
  crm_response r = crm_fetch((crm_request){
    .method = CRM("POST"), .url = CRM_CAT(CRM("https://relay.example/"), operation),
    .headers = CRM_PAIRS({CRM("X-Sdk"), CRM("c")}), .body = crm_encode(request, in), .timeout_ms = 5000, .redirect = CRM("manual"),
  });
  if (r.status == 202) return CRM_UNSUPPORTED;
  crm_json *v = crm_parse(r.body);
  if (!v) return crm_fail_for(r);
  if (r.status == 200) return crm_read(answer, v, out) ? CRM_OK : CRM_FAILED;
  long long status = 0;
  crm_text digits = crm_scalar(crm_get(v, "status"));
  for (unsigned i = 0; i < digits.size; i++) status = 10 * status + digits.at[i] - '0';
  return crm_fail_with(crm_string(crm_get(v, "message")), status, crm_string(crm_get(v, "code")));
}

#define RELAY(name) \
  CRM_OPERATION(name) { return relay(CRM(#name), crm_##name##_reads, in, crm_##name##_writes, out); }

CRM_OPERATION(getAuthType) {
  out->type = CRM("oauth");
  return CRM_OK;
}

RELAY(getOauthInfo)
RELAY(getOverridingOAuthOption)
RELAY(getBasicAuth)
RELAY(getUserInfo)
RELAY(authValidation)
RELAY(refreshUserInfo)
RELAY(unAuthorize)
RELAY(postSaveUserInfo)
RELAY(getLicenseStatus)
RELAY(checkAndRefreshAccessToken)
RELAY(getManagedAuthOptions)
