// A connector that fails. Its authValidation requests a page with the credential, logs what it sees of the world, and traps in parse_name.
// Its getLicenseStatus answers an error with what it sees. Its refreshUserInfo does not end.
#include "crmgate.h"

// see describes the world.
static crm_text see(void) {
  unsigned char dice[8];
  crm_random(dice, sizeof dice);
  crm_text seen = CRM_CAT(CRM("at "), crm_of_int(crm_now())->text);
  for (unsigned i = 0; i < sizeof dice; i++) seen = CRM_CAT(seen, CRM(" "), crm_of_int(dice[i])->text);
  return seen;
}

__attribute__((noinline)) static int parse_name(const crm_json *answer) {
  if (!answer || !crm_string(crm_get(answer, "name")).size) __builtin_trap();
  return CRM_OK;
}

CRM_OPERATION(getAuthType) {
  out->type = CRM("oauth");
  return CRM_OK;
}

CRM_OPERATION(getOauthInfo) { return CRM_UNSUPPORTED; }

CRM_OPERATION(getUserInfo) { return CRM_UNSUPPORTED; }

CRM_OPERATION(authValidation) {
  crm_log(CRM_INFO, crm_config(CRM("FAILS_SECRET")));
  crm_json *answer;
  crm_fetch_json(CRM("https://fails.example/me"), in->auth_header, &answer);
  crm_log(CRM_INFO, see());
  return parse_name(answer);
}

CRM_OPERATION(getLicenseStatus) { return crm_fail(see()); }

CRM_OPERATION(refreshUserInfo) {
  for (volatile int i = 0;; i++) {}
}
